/** The real workflow files under act, with actions that only say what they are told: when does which job run, with what? */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ActOptions, type ActResult, jobOf, runAct } from './act.ts';
import { commit, type Edit, makeUserRepository, moveLibrary } from './act-repositories.ts';

type Outputs = Record<string, Record<string, string>>;

/** What each action gives. */
export const GIVEN: Outputs = {
  build: { trainer: 'sha256:aa', server: 'sha256:bb', run: '', 'training-id': 'sha256:cc' },
  train: { run: 'sha256:dd', state: 'succeeded', segment: 'sha256:dd', metrics: '{"accuracy":0.9}' },
  'package-model': { package: 'sha256:ee' },
  'release-config': { release: 'sha256:ff' },
  deploy: { deployment: 'sha256:00', endpoint: 'http://127.0.0.1:8080', outcome: 'live' },
};

/** Prints its inputs, gives the outputs in STUB_OUTPUTS of its job or its action, fails when STUB_FAILS names it. */
const STUB = `
const { appendFileSync } = require('node:fs');
const name = require('node:path').basename(__dirname);
const env = process.env;
for (const key of Object.keys(env).filter((key) => key.startsWith('INPUT_')).sort()) console.log(key + '=' + env[key]);
for (const key of ['API_KEY', 'GITHUB_TOKEN', 'DOCKER_AUTH_CONFIG']) if (env[key]) console.log(key + ' has ' + env[key].length + ' characters');
appendFileSync(env.GITHUB_STEP_SUMMARY, '# ' + name + '\\n\\nSummary\\n');
const given = JSON.parse(env.STUB_OUTPUTS);
for (const [key, value] of Object.entries(given[env.GITHUB_JOB] ?? given[name])) appendFileSync(env.GITHUB_OUTPUT, key + '=' + value + '\\n');
process.exitCode = [name, env.GITHUB_JOB].includes(env.STUB_FAILS) ? 1 : 0;
`;

export interface Stubs {
  readonly place: string;
  /** Runs a workflow. `outputs` are by action, or by the job that shall have others; `fails` is the action or job that fails. */
  act(options: Partial<ActOptions>, outputs?: Outputs, fails?: string): Promise<ActResult>;
  /** A copy of the library in which the workflows are changed. */
  library(name: string, edit?: Edit): Promise<string>;
  remove(): Promise<void>;
}

/** Sets a repository up with templates of ours, by the names that they get, and a copy of the library with stubs. */
export async function openStubs(templates: Readonly<Record<string, string>>, edit?: Edit): Promise<Stubs> {
  const place = await mkdtemp(join(tmpdir(), 'trainyard-conditions-'));
  await mkdir(join(place, 'project'));
  await writeFile(join(place, 'project', 'trainyard.yml'), 'name: digits\n');
  const library = async (name: string, edit?: Edit): Promise<string> =>
    stub(await moveLibrary(join(place, name), edit));
  const usual = await library('library');
  const projects = { '.': join(place, 'project') };
  const repository = await makeUserRepository({
    place: join(place, 'user'),
    projects,
    templates,
    ...(edit && { edit }),
  });
  return {
    place,
    library,
    act: (options, outputs = GIVEN, fails = '') =>
      runAct({
        place,
        repository,
        library: usual,
        workflow: 'pipeline.yml',
        results: 'http://127.0.0.1:9',
        ...options,
        machine: { STUB_OUTPUTS: JSON.stringify(outputs), STUB_FAILS: fails, ...options.machine },
      }),
    remove: () => rm(place, { recursive: true, force: true }),
  };
}

async function stub(folder: string): Promise<string> {
  await writeFile(join(folder, 'package.json'), '{}');
  await rm(join(folder, 'dist', 'package.json'), { force: true });
  for (const [name, text] of [
    ...Object.keys(GIVEN).map((action) => [action, STUB] as const),
    ['train-post', ''] as const,
  ]) {
    await mkdir(join(folder, 'dist', name), { recursive: true });
    await writeFile(join(folder, 'dist', name, 'index.js'), text);
  }
  await commit(folder, 'Stubs');
  return folder;
}

/** The names of the jobs that ran. */
export const ran = (result: ActResult): string[] => Object.keys(result.jobs);

/** What inputs an action had in a job; undefined for one that it does not have. */
export function inputsOf(result: ActResult, job: string, ...names: string[]): (string | undefined)[] {
  const { log } = jobOf(result, job);
  return names.map((name) => new RegExp(`^INPUT_${name}=(.*)$`, 'm').exec(log)?.[1]);
}
