import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { run, type Segment } from '../records/run.ts';
import { findRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';

/** What came before a segment, for its Run. */
export interface Before {
  readonly segments: readonly Segment[];
  /** The Run of the segment before, if it is there. */
  readonly previous?: Digest;
}

/**
 * Reads what the Run of the segment before tells of the training so far. A Run that is gone costs the record its beginning, and no work.
 * @throws UserError when it is the Run of another training
 */
export async function segmentsBefore(
  handoff: Store,
  previous: Digest | undefined,
  trainingId: Digest,
  log: Log,
): Promise<Before> {
  const found = previous && (await findRecord(handoff, run, previous));
  if (previous !== undefined && found === undefined)
    log.warning(
      `input previous names ${previous}, which is not in the hand-off ${handoff.location}; the Run will not tell of the segments before`,
    );
  if (found === undefined) return { segments: [] };
  if (found.config.trainingId !== trainingId)
    throw new UserError(
      `input previous names a Run of training id ${found.config.trainingId}, and this training is ${trainingId}; give the output segment of a step with the same trainer and parameters, or nothing`,
    );
  return { segments: found.config.segments, previous: found.digest };
}

/**
 * Puts together what different records tell of one training, in the order of time. A segment that was interrupted has no Run, and is told
 * by its checkpoints alone; of what is told twice, what was told at the later time counts.
 */
export function mergeSegments(...told: readonly (readonly Segment[])[]): Segment[] {
  const byStart = new Map<string, Segment>();
  for (const segment of told.flat()) {
    const key = `${segment.startedAt} ${segment.host}`;
    const known = byStart.get(key);
    if (known === undefined || known.endedAt < segment.endedAt) byStart.set(key, segment);
  }
  return [...byStart.values()].sort((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
}
