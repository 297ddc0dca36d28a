/**
 * A training through Trainyard and the bare command, in turns: the same program twice, of which one works while the other waits,
 * so that what else the machine does meets both.
 */
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { endProcessesOf } from '../__tests__/support/processes.ts';
import { tool } from '../scripts/tools.ts';
import { digestOfTree } from '../src/lib/tree.ts';
import { fillRandom } from './random.ts';

const cli = join(import.meta.dirname, '..', 'dist', 'cli', 'index.js');
const DATA_BYTES = 64 * 2 ** 20;

/** Does a turn of work each time a line comes by one pipe, and answers by the other with its seconds: passed, and used of a processor. */
const PROGRAM = `
import json, os, sys, time
place = os.environ.get("BENCH_PLACE")
out = os.environ["TRAINYARD_OUTPUT_DIR"]
open(out + "/model.json", "w").write("{}")
def work(count):
    x = 1
    for i in range(count):
        x = (x * 1103515245 + 12345) & 0x7FFFFFFF
    return x
def train(amount):
    for step in range(10):
        work(amount)
        print("step", step, "loss", 0.5, flush=True)
    with open(os.environ["TRAINYARD_METRICS_FILE"], "a") as file:
        file.write('{"step": 1, "loss": 0.5}\\n')
line = "epoch 1 step 100 loss 0.123456 rate 0.001000 and more\\n"
def pour(lines):
    for _ in range(lines // 1000):
        sys.stdout.write(line * 1000)
    sys.stdout.flush()
def flood(lines):
    write = sys.stdout.write
    for _ in range(lines):
        work(60)
        write(line)
        sys.stdout.flush()
kinds = dict(train=train, flood=flood, pour=pour)
if place is None:
    print(time.time(), file=open(os.environ.get("BENCH_BEGAN") or os.devnull, "w"))
else:
    turns, answers = open(place + ".turns"), open(place + ".answers", "w")
    for turn in turns:
        kind, amount = turn.split()
        begin = (time.perf_counter(), time.process_time())
        kinds[kind](int(amount))
        end = (time.perf_counter(), time.process_time())
        print(json.dumps([end[0] - begin[0], end[1] - begin[1]]), file=answers, flush=True)
`;

const FILES = {
  'requirements.txt': '# nothing is needed\n',
  'train.py': PROGRAM,
  'serve.py': '',
};
const project = (digest: string): string => `name: turns
trainer:
  source: [train.py]
  python: {requirements: requirements.txt}
  command: python -S train.py
  params: {seed: 1}
  env: [BENCH_PLACE, BENCH_BEGAN]
  data: {set: {path: set.bin, digest: "${digest}"}}
model: {files: [model.json]}
server: {source: [serve.py], python: {requirements: requirements.txt}, command: "python serve.py \${port}", ready: /}
`;

/** What a turn took, in seconds. */
export interface Turn {
  readonly wall: number;
  readonly cpu: number;
}

/** One of the two that work in turns. */
export interface Worker {
  readonly child: ChildProcess;
  turn(kind: 'train' | 'flood' | 'pour', amount: number): Promise<Turn>;
  /** Ends the program in good order, and waits until all has ended. */
  finish(): Promise<void>;
}

/** A project that was built, whose environment and data are there. */
export class Track {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #trainer: string;

  private constructor(folder: string, env: NodeJS.ProcessEnv, trainer: string) {
    this.#folder = folder;
    this.#env = env;
    this.#trainer = trainer;
  }

  /** Builds the project in a new folder, and trains once. */
  static async lay(): Promise<Track> {
    const folder = mkdtempSync(join(tmpdir(), 'trainyard-turns-'));
    mkdirSync(join(folder, 'data'));
    const data = join(folder, 'data', 'set.bin');
    await fillRandom(data, DATA_BYTES);
    const { digest } = await digestOfTree(data, () => {});
    mkdirSync(join(folder, 'project'));
    for (const [name, text] of Object.entries({ ...FILES, 'trainyard.yml': project(digest) }))
      writeFileSync(join(folder, 'project', name), text);
    const git = (...args: string[]): void =>
      void execFileSync('git', ['-c', 'user.name=b', '-c', 'user.email=b@example.com', ...args], {
        cwd: join(folder, 'project'),
      });
    git('init', '--quiet');
    git('add', '--all');
    git('commit', '--quiet', '-m', 'turns');
    const env = {
      ...process.env,
      PATH: `${join(await tool('uv'), '..')}:${process.env.PATH}`,
      TRAINYARD_DATA: join(folder, 'data'),
      TRAINYARD_CACHE: join(folder, 'cache'),
      TRAINYARD_CHECKPOINTS: join(folder, 'checkpoints'),
      TRAINYARD_LEASES: join(folder, 'leases'),
    };
    const args = [cli, 'build', '--project', 'project'];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder, env });
    const { trainer } = z.object({ trainer: z.string() }).parse(JSON.parse(stdout));
    const track = new Track(folder, env, trainer);
    await track.start({}).ended;
    return track;
  }

  /** Starts the train step; `extra` are variables of the machine. */
  start(extra: NodeJS.ProcessEnv, params = ''): { child: ChildProcess; ended: Promise<void> } {
    const args = [cli, 'train', '--trainer', this.#trainer, '--force', 'true', '--params', params];
    const log = openSync(join(this.#folder, 'step.log'), 'w');
    const stdio = ['ignore' as const, 'ignore' as const, log];
    const child = spawn(process.execPath, args, {
      cwd: this.#folder,
      env: { ...this.#env, ...extra },
      stdio,
    });
    const ended = once(child, 'exit').then(([status]) => {
      if (status !== 0)
        throw new Error(
          `train ended with ${status}: ${readFileSync(join(this.#folder, 'step.log'), 'utf8').slice(-2000)}`,
        );
    });
    return { child, ended };
  }

  /** The program through Trainyard. */
  async ours(): Promise<Worker> {
    const place = this.#place('ours');
    return worker(place, this.start({ BENCH_PLACE: place }));
  }

  /** The program alone, its output in a file of the same disk. */
  async bare(): Promise<Worker> {
    const place = this.#place('bare');
    const output = openSync(`${place}.log`, 'a');
    const env = {
      PATH: process.env.PATH,
      PYTHONUNBUFFERED: '1',
      BENCH_PLACE: place,
      TRAINYARD_OUTPUT_DIR: this.#folder,
      TRAINYARD_METRICS_FILE: `${place}.jsonl`,
    };
    const python = ['-S', join(this.#folder, 'project', 'train.py')];
    const child = spawn('python3', python, { env, stdio: ['ignore', output, output] });
    return worker(place, { child, ended: once(child, 'exit').then(() => {}) });
  }

  /** Seconds from the start of the train step to the program's first statement. */
  async startTime(): Promise<number> {
    const begin = Date.now();
    const began = join(this.#folder, 'began');
    await this.start({ BENCH_BEGAN: began }).ended;
    return Number(readFileSync(began, 'utf8')) - begin / 1000;
  }

  async remove(): Promise<void> {
    await endProcessesOf(this.#folder);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #place(name: string): string {
    const place = join(this.#folder, `${name}-${Date.now()}`);
    execFileSync('mkfifo', [`${place}.turns`, `${place}.answers`]);
    return place;
  }
}

async function worker(
  place: string,
  { child, ended }: { child: ChildProcess; ended: Promise<void> },
): Promise<Worker> {
  const failed = ended.then(() => Promise.reject(new Error('the program ended before its turns')));
  failed.catch(() => {});
  const turns: FileHandle = await Promise.race([open(`${place}.turns`, 'w'), failed]);
  const answers = await open(`${place}.answers`, 'r');
  const lines = answers.readLines()[Symbol.asyncIterator]();
  return {
    child,
    turn: async (kind, amount) => {
      await turns.write(`${kind} ${amount}\n`);
      const { value } = await Promise.race([lines.next(), failed]);
      const [wall, cpu] = z.tuple([z.number(), z.number()]).parse(JSON.parse(String(value)));
      return { wall, cpu };
    },
    finish: async () => {
      await turns.close();
      await ended;
    },
  };
}
