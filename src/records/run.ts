import { z } from 'zod';
import type { Digest } from '../lib/digest.ts';
import { digestOfJson, type JsonObject, json } from '../lib/json.ts';
import { defineKind } from './kind.ts';
import { digest } from './oci.ts';
import type { ProgramEnvironment } from './program.ts';

export const runState = z.enum([
  'succeeded',
  /** Stopped with a checkpoint, to be continued. */
  'checkpointed',
  'cancelled',
  'out-of-memory',
  'out-of-gpu-memory',
  'disk-full',
  /** Silent for too long. */
  'hung',
  /** A metric that must stay finite did not. */
  'diverged',
  'failed',
]);
export type RunState = z.infer<typeof runState>;

/** How a training ended, as the end of a sentence. */
export function endedText(state: RunState): string {
  const texts: Partial<Record<RunState, string>> = {
    succeeded: 'succeeded',
    checkpointed: 'stopped with a checkpoint',
    cancelled: 'was cancelled',
    failed: 'failed',
  };
  return texts[state] ?? `ended as ${state}`;
}

const time = z.iso.datetime();
const amount = z.number().nonnegative();

/** What a segment used of its machine; what could not be measured is absent. */
export const usage = z.strictObject({
  seconds: amount,
  /** How many GPUs it had. */
  gpus: z.int().nonnegative(),
  /** From 0 to 1, the mean over all GPUs and the whole time. */
  gpuUse: z.number().min(0).max(1).optional(),
  gpuMemoryPeakBytes: amount.optional(),
  energyJoules: amount.optional(),
  cpuSeconds: amount.optional(),
  memoryPeakBytes: amount.optional(),
  /** In the currency of the price that was given. */
  cost: amount.optional(),
});
export type Usage = z.infer<typeof usage>;

/** A checkpoint that was durable; the step as the program named it. */
export const checkpointMark = z.strictObject({
  digest,
  name: z.string(),
  step: z.number().optional(),
  /** When the program had finished writing it: what was done after that is lost when the program is. */
  madeAt: time,
});
export type CheckpointMark = z.infer<typeof checkpointMark>;

/** One uninterrupted stretch of a training. */
export const segment = z.strictObject({
  startedAt: time,
  endedAt: time,
  status: z.number().nullable(),
  signal: z.string().nullable(),
  state: runState,
  /** The machine's name. */
  host: z.string(),
  /** What it went on from. */
  resumedFrom: checkpointMark.optional(),
  usage: usage.optional(),
});
export type Segment = z.infer<typeof segment>;

export const runConfig = z.strictObject({
  trainingId: digest,
  state: runState,
  /** Why it did not succeed, for people. */
  reason: z.string().optional(),
  /** The commit whose workflow started it; null outside a workflow. */
  commit: z.string().nullable(),
  params: z.record(z.string(), json),
  data: z.record(z.string(), digest),
  /** The last value of every metric. */
  metrics: z.record(z.string(), z.number()),
  /** All segments of the training, this one last. */
  segments: z.array(segment),
  /** The Run of the segment before. */
  previous: digest.optional(),
  /** The newest durable checkpoint when it ended. */
  checkpoint: checkpointMark.optional(),
  machine: z.strictObject({
    os: z.string(),
    architecture: z.string(),
    processors: z.number(),
    memoryBytes: z.number(),
    gpus: z
      .array(
        z.strictObject({ name: z.string(), memoryBytes: amount.optional(), driver: z.string().optional() }),
      )
      .optional(),
    python: z.string().nullable(),
    trainyard: z.string(),
  }),
});
export type RunConfig = z.infer<typeof runConfig>;

export const OUTPUT_LAYER = 'application/vnd.trainyard.output.v1';
export const METRICS_LAYER = 'application/vnd.trainyard.metrics.v1+jsonl';

/** One training: an event, with its outputs, its metrics and its log. Its subject is the trainer. */
export const run = defineKind({ kind: 'run', schema: runConfig });

/** The name under which a store keeps the finished Run of a training id, for reuse. */
export function trainingName(trainingId: Digest): string {
  return `training-${trainingId.slice('sha256:'.length)}`;
}

/** What a training id covers: all that can change the model, and nothing else. */
export interface Training {
  readonly source: Digest;
  readonly environment: ProgramEnvironment;
  readonly command: readonly string[];
  readonly params: JsonObject;
  readonly data: Readonly<Record<string, Digest>>;
}

/** The digest of the training's canonical JSON. */
export function trainingIdOf(training: Training): Digest {
  return digestOfJson(training);
}
