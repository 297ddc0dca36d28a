import { z } from 'zod';
import type { Digest } from '../lib/digest.ts';
import { digestOfJson, type JsonObject, json } from '../lib/json.ts';
import { defineKind } from './kind.ts';
import { digest } from './oci.ts';
import type { ProgramEnvironment } from './program.ts';

export const runState = z.enum(['succeeded', 'failed', 'cancelled']);
export type RunState = z.infer<typeof runState>;

const time = z.iso.datetime();

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
  segments: z.array(
    z.strictObject({
      startedAt: time,
      endedAt: time,
      status: z.number().nullable(),
      signal: z.string().nullable(),
    }),
  ),
  machine: z.strictObject({
    os: z.string(),
    architecture: z.string(),
    processors: z.number(),
    memoryBytes: z.number(),
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
