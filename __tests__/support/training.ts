import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tool } from '../../scripts/tools.ts';
import { withInertConsole } from '../../src/github/inert.ts';
import type { Digest } from '../../src/lib/digest.ts';
import { DigestCache } from '../../src/lib/digest-cache.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { TITLE } from '../../src/records/oci.ts';
import type { TrainerConfig } from '../../src/records/program.ts';
import { OUTPUT_LAYER } from '../../src/records/run.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { readBytes } from '../../src/store/records.ts';
import type { TrainDeps, TrainResult } from '../../src/train/request.ts';
import { train } from '../../src/train/train.ts';
import { type RecordingLog, recordingLog } from './log.ts';
import { type Files, putTrainer } from './programs.ts';

/** A machine that trains: a hand-off, a data folder, a place for environments, and what its console showed. */
export interface TrainingMachine {
  readonly root: string;
  readonly handoff: LayoutStore;
  readonly data: string;
  readonly log: RecordingLog;
  readonly deps: TrainDeps;
  /** All that was printed so far, the runner's commands included. */
  readonly printed: () => string;
  /** Writes a trainer of these files and trains it. */
  train(
    files: Files,
    overrides?: Parameters<typeof putTrainer>[2],
    params?: JsonObject,
    changes?: Partial<TrainDeps>,
  ): Promise<TrainResult>;
  /** An output of a Run as text. */
  output(result: TrainResult, path: string): Promise<string>;
  /** What a failed training has left of its workspace. */
  leftovers(): Promise<string[]>;
  remove(): Promise<void>;
}

export async function trainingMachine(): Promise<TrainingMachine> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-train-')));
  const data = join(root, 'data');
  await mkdir(data);
  const handoff = new LayoutStore(join(root, 'yard'));
  const log = recordingLog();
  const chunks: Buffer[] = [];
  const deps: TrainDeps = {
    handoff,
    log,
    signal: new AbortController().signal,
    env: { ...process.env, ACTIONS_RUNTIME_TOKEN: 'secret', INPUT_TRAINER: 'x', GITHUB_SHA: 'abc' },
    dataFolder: data,
    digests: new DigestCache(join(root, 'digests')),
    data: {
      cache: join(root, 'cache'),
      limit: undefined,
      openStore: async (value) => new LayoutStore(value),
      sleep: async () => {},
    },
    checkpoints: join(root, 'checkpoints'),
    leases: join(root, 'leases'),
    workFolder: undefined,
    jobs: join(root, 'jobs'),
    environments: join(root, 'environments'),
    remember: () => {},
    uv: () => tool('uv'),
    console: (work) => withInertConsole((chunk) => chunks.push(Buffer.from(chunk)), work),
  };
  return {
    root,
    handoff,
    data,
    log,
    deps,
    printed: () => Buffer.concat(chunks).toString(),
    train: async (files, overrides, params = {}, changes = {}) => {
      const { digest } = await putTrainer(handoff, files, overrides);
      return train({ trainer: digest, params, commit: null }, { ...deps, ...changes });
    },
    output: async ({ run }, path) => {
      const layer = run.manifest.layers.find(
        ({ mediaType, annotations }) => mediaType === OUTPUT_LAYER && annotations?.[TITLE] === path,
      );
      if (layer === undefined) throw new Error(`the Run has no output ${path}`);
      return (await readBytes(handoff, layer.digest)).toString();
    },
    leftovers: () => readdir(join(handoff.pathOf(`sha256:${'0'.repeat(64)}`), '../../../tmp')),
    remove: () => rm(root, { recursive: true, force: true }),
  };
}

/** A trainer's data set as its configuration names it. */
export function dataAt(path: string, digest: Digest): TrainerConfig['data'] {
  return { set: { path, digest } };
}

/** Whether a process runs; one that has ended and that nobody has asked for yet does not. */
export function isAlive(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}
