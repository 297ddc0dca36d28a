import { hostname } from 'node:os';
import type { Segment } from '../records/run.ts';
import { markOf } from './checkpoints/place.ts';
import type { Restored } from './checkpoints/restore.ts';

/**
 * This segment, as far as it has come; who is killed leaves no better account.
 * @param isOver its time budget is used up, so that what is saved now is what the next segment goes on from
 */
export function goingOn(startedAt: string, from: Restored | undefined, isOver: boolean): Segment {
  return {
    startedAt,
    endedAt: new Date().toISOString(),
    status: null,
    signal: null,
    state: isOver ? 'checkpointed' : 'cancelled',
    host: hostname(),
    ...(from !== undefined && { resumedFrom: markOf(from.checkpoint) }),
  };
}

/** The segments that a checkpoint tells of. */
export function segmentsIn(restored: Restored | undefined): readonly Segment[] {
  return restored?.checkpoint.config.segments ?? [];
}
