import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { digitsProject, edit } from '../__tests__/support/digits.ts';
import { Load } from '../__tests__/support/load.ts';
import { endProcessesOf } from '../__tests__/support/processes.ts';
import { exampleData } from '../scripts/example-data.ts';
import { tool } from '../scripts/tools.ts';
import { type Figure, median, seconds } from './figure.ts';

const cli = join(import.meta.dirname, '..', 'dist', 'cli', 'index.js');
const ROUNDS = { full: 5, short: 3 };
const RATE = 200;

/** A stage's outputs. */
const outputs = z.record(z.string(), z.unknown()).transform((all) => ({
  of: (name: string): string => z.string().parse(all[name]),
}));
type Outputs = z.infer<typeof outputs>;

/**
 * Deploys and roll-backs of examples/digits to this machine, each the whole process; and a client that asks for predictions all the
 * while, through a deploy, one that its golden requests refuse, and a roll-back.
 */
export async function deploy({ isShort }: { isShort: boolean }): Promise<Figure[]> {
  const place = await mkdtemp(join(tmpdir(), 'trainyard-bench-'));
  try {
    const digits = await Digits.make(place);
    const rounds = isShort ? ROUNDS.short : ROUNDS.full;
    const times = { deploy: [] as number[], rollback: [] as number[] };
    // The first one makes the server's environment, and what the second one leaves can be rolled back.
    const endpoint = await digits.deploy(await digits.release(0.3));
    for (let round = 0; round < rounds; round++) {
      const release = await digits.release(0.4 + round / 100);
      times.deploy.push(await seconds(() => digits.deploy(release)));
      times.rollback.push(await seconds(() => digits.deploy('previous')));
    }
    const { asked, failed, reasons, most } = await digits.asked(endpoint);
    return [
      {
        name: 'deploy of a warm release of examples/digits',
        measured: median(times.deploy),
        limit: 5,
        unit: 's',
        how: `the whole process, beside one that serves, to its end; median of ${rounds}`,
      },
      {
        name: 'roll-back of examples/digits',
        measured: median(times.rollback),
        limit: 3,
        unit: 's',
        how: `the same with the release previous; median of ${rounds}`,
      },
      {
        name: 'requests that fail through deploy, refused deploy and roll-back',
        measured: failed,
        limit: 0,
        unit: 'requests',
        how: `of ${asked} predictions, ${RATE} a second; the slowest took ${most.toFixed(0)} ms${reasons}`,
      },
    ];
  } finally {
    await endProcessesOf(place);
    await rm(place, { recursive: true, force: true });
  }
}

/** The example as a user's repository, trained and packaged twice: as it is, and with a server that answers wrong. */
class Digits {
  readonly #place: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #packages: { readonly good: string; readonly bad: string };

  private constructor(place: string, env: NodeJS.ProcessEnv, packages: { good: string; bad: string }) {
    this.#place = place;
    this.#env = env;
    this.#packages = packages;
  }

  static async make(place: string): Promise<Digits> {
    const project = await digitsProject(join(place, 'digits'));
    const env = {
      ...process.env,
      PATH: `${join(await tool('uv'), '..')}:${process.env.PATH}`,
      TRAINYARD_DATA: await exampleData(),
      TRAINYARD_STATE: join(place, 'state'),
      TRAINYARD_CACHE: join(place, 'cache'),
    };
    const git = (...args: string[]): Promise<unknown> =>
      promisify(execFile)('git', [
        '-C',
        project,
        '-c',
        'user.name=b',
        '-c',
        'user.email=b@example.com',
        ...args,
      ]);
    await git('init', '--quiet');
    const commit = async (message: string): Promise<void> => {
      await git('add', '--all');
      await git('commit', '--quiet', '-m', message);
    };
    await commit('The example');
    const good = await packaged(place, env);
    await edit(join(project, 'serve.py'), (text) =>
      text.replace(
        '    label = np.where',
        '    probabilities = probabilities[:, ::-1]\n    label = np.where',
      ),
    );
    await commit('Answer wrong');
    return new Digits(place, env, { good, bad: await packaged(place, env) });
  }

  /** Releases the package with a setting, which makes it another release. */
  async release(threshold: number, which: 'good' | 'bad' = 'good'): Promise<string> {
    const inputs = {
      project: 'digits',
      package: this.#packages[which],
      environment: 'staging',
      vars: JSON.stringify({ THRESHOLD: String(threshold) }),
    };
    return (await stage(this.#place, this.#env, 'release-config', inputs)).of('release');
  }

  /** Gives the endpoint. */
  async deploy(release: string): Promise<string> {
    const which = release === 'previous' ? { name: 'digits', environment: 'staging' } : {};
    return (await stage(this.#place, this.#env, 'deploy', { release, ...which })).of('endpoint');
  }

  /** What a client sees that asks for predictions through a deploy, a refused one, and a roll-back. */
  async asked(endpoint: string) {
    const [next, bad] = [await this.release(0.5), await this.release(0.5, 'bad')];
    const load = await Load.begin({
      url: `${endpoint}/v2/models/digits/infer`,
      rate: RATE,
      method: 'POST',
      body: await question(),
    });
    await this.deploy(next);
    const refused = await this.deploy(bad).catch((error: unknown) => String(error));
    if (!refused.includes('golden requests differ')) throw new Error(`the bad release: ${refused}`);
    await this.deploy('previous');
    const { asked, failed, failures, releases, latency } = await load.end();
    const [first, second, third] = releases.map(({ release }) => release);
    if (releases.length !== 3 || second !== next || first !== third)
      throw new Error(`not what was deployed answered: ${JSON.stringify(releases)}`);
    const reasons = failures.map(({ reason, count }) => `; ${count} × ${reason}`).join('');
    return { asked, failed, reasons, most: latency.most };
  }
}

/** Brings the project's commit through build, train and package-model. */
async function packaged(place: string, env: NodeJS.ProcessEnv): Promise<string> {
  const project = 'digits';
  const built = await stage(place, env, 'build', { project });
  const [trainer, server, trainingId] = [built.of('trainer'), built.of('server'), built.of('training-id')];
  const run = built.of('run') || (await stage(place, env, 'train', { trainer })).of('run');
  const inputs = { project, trainer, server, 'training-id': trainingId, run };
  return (await stage(place, env, 'package-model', inputs)).of('package');
}

async function stage(
  cwd: string,
  env: NodeJS.ProcessEnv,
  name: string,
  inputs: Readonly<Record<string, string>>,
): Promise<Outputs> {
  const args = Object.entries(inputs).flatMap(([input, value]) => [`--${input}`, value]);
  const { stdout } = await promisify(execFile)(process.execPath, [cli, name, ...args], { cwd, env });
  return outputs.parse(JSON.parse(stdout));
}

/** One image, as a request for its prediction. */
async function question(): Promise<string> {
  const rows = (await readFile(join(await exampleData(), 'digits.csv'), 'utf8')).split('\n');
  const data = (rows[1661] ?? '').split(',').slice(0, 64).map(Number);
  return JSON.stringify({ inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], data }] });
}
