import { z } from 'zod';
import { hexOf } from '../lib/digest.ts';
import { defineKind } from './kind.ts';
import { digest } from './oci.ts';
import { segment } from './run.ts';

/** How many digits order the checkpoints of a training by their names. */
const DIGITS = 6;

export const checkpointConfig = z.strictObject({
  trainingId: digest,
  /** Counts the durable checkpoints of the training, from 1. */
  sequence: z.int().positive(),
  /** As the program named the file or folder. */
  name: z.string(),
  /** `file`: its one layer has the name itself; `folder`: layers have their paths in it. */
  form: z.enum(['file', 'folder']),
  /** The step that its name or the metrics told. */
  step: z.number().optional(),
  madeAt: z.iso.datetime(),
  /** The last value of every metric when it was made. */
  metrics: z.record(z.string(), z.number()),
  /** The segments before the one that made it, and that one as far as it had come. */
  segments: z.array(segment),
});
export type CheckpointConfig = z.infer<typeof checkpointConfig>;

export const CHECKPOINT_LAYER = 'application/vnd.trainyard.checkpoint.file.v1';

/** A state that a training can go on from, in files of its program's own format. */
export const checkpoint = defineKind({
  kind: 'checkpoint',
  schema: checkpointConfig,
  tagPart: ({ trainingId, sequence }) => `${hexOf(trainingId, 16)}-${String(sequence).padStart(DIGITS, '0')}`,
});

/** What the names of all durable checkpoints of a training begin with. */
export function checkpointPrefix(trainingId: CheckpointConfig['trainingId']): string {
  return `checkpoint-${hexOf(trainingId, 16)}-`;
}
