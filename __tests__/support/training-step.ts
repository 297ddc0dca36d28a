import type { ChildProcess } from 'node:child_process';
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { tool } from '../../scripts/tools.ts';
import { parseDigest } from '../../src/lib/digest.ts';
import { TITLE } from '../../src/records/oci.ts';
import { OUTPUT_LAYER, type RunConfig, run } from '../../src/records/run.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getRecord, readBytes } from '../../src/store/records.ts';
import type { TrainingPlace } from './leftovers.ts';
import { endProcessesOf } from './processes.ts';
import { type Files, putTrainer } from './programs.ts';
import { runStep, type StepResult } from './step.ts';

/** A machine on which the action train runs as a runner starts it, with a hand-off, leases and checkpoints of its own. */
export interface StepMachine extends TrainingPlace {
  readonly store: LayoutStore;
  readonly checkpoints: string;
  readonly env: Readonly<Record<string, string>>;
  /** Writes a trainer, and gives its digest. */
  trainer(files: Files, overrides: Parameters<typeof putTrainer>[2]): Promise<string>;
  /**
   * The step, from its start to its end, however it ends; `when` gets its process once it has printed what `sign` says, or at
   * once.
   */
  step(trainer: string, how?: Choices): Promise<StepResult>;
  /** The post step of a step. */
  post(step: StepResult): Promise<StepResult>;
  /** A Run's facts, and its output of that name, if it has one. */
  read(digest: string, output: string): Promise<{ config: RunConfig; output: string | undefined }>;
  remove(): Promise<void>;
}

interface Choices {
  readonly params?: Readonly<Record<string, unknown>>;
  readonly inputs?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly sign?: string;
  readonly when?: (step: ChildProcess) => unknown;
  /** The bundle that users run, not the source. */
  readonly bundled?: boolean;
}

/** Makes such a machine. */
export async function stepMachine(): Promise<StepMachine> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-steps-')));
  const place = {
    root,
    leases: join(root, 'leases'),
    yard: join(root, 'yard'),
    checkpoints: join(root, 'checkpoints'),
  };
  const store = new LayoutStore(place.yard);
  const env = {
    PATH: `${dirname(await tool('uv'))}:${process.env.PATH}`,
    TRAINYARD_CACHE: join(root, 'cache'),
    TRAINYARD_LEASES: place.leases,
    TRAINYARD_CHECKPOINTS: place.checkpoints,
  };
  return {
    ...place,
    store,
    env,
    trainer: async (files, overrides) => (await putTrainer(store, files, overrides)).digest,
    step: async (trainer, { params = {}, inputs = {}, sign, when = () => {}, bundled, ...more } = {}) => {
      const given = { trainer, handoff: place.yard, params: JSON.stringify(params), ...inputs };
      let acting: unknown;
      const watch = (step: ChildProcess, printed: () => string): void => {
        if (sign === undefined) {
          acting = when(step);
          return;
        }
        let seen = false;
        step.stdout?.on('data', () => {
          if (seen || !printed().includes(sign)) return;
          seen = true;
          acting = when(step);
        });
      };
      const result = await runStep('train', given, { ...env, ...more.env }, watch, undefined, bundled);
      // Who kills all that has to do with this machine must be done with it before the next step.
      await acting;
      return result;
    },
    post: ({ state }) => runStep('train-post', {}, { ...env, ...state }),
    read: async (digest, output) => {
      const { config, manifest } = await getRecord(store, run, parseDigest(digest, 'run'));
      const layer = manifest.layers.find(
        ({ mediaType, annotations }) => mediaType === OUTPUT_LAYER && annotations?.[TITLE] === output,
      );
      return { config, output: layer && (await readBytes(store, layer.digest)).toString() };
    },
    remove: async () => {
      await endProcessesOf(root);
      await rm(root, { recursive: true, force: true });
    },
  };
}
