import { type Event, endpointOf } from '../records/history.ts';
import type { Stored } from '../records/kind.ts';
import type { ReleaseConfig } from '../records/release.ts';
import type { Hold, Journal, Memory } from './ledger.ts';
import type { Rollout } from './rollout.ts';
import type { Site } from './site.ts';

/** A deploy that is decided on. */
export interface Plan {
  readonly site: Site;
  readonly hold: Hold;
  readonly memory: Memory;
  readonly release: Stored<ReleaseConfig>;
  /** What was deployed here before. */
  readonly history: readonly Event[];
  readonly startedAt: string;
  /** Who approved it, where that is asked for. */
  readonly approved: string | undefined;
  readonly marks: Pick<Journal, 'cause' | 'holds' | 'lifts'>;
}

/** What the ledger says once a deploy is over that changed nothing. */
export function onlyLive({ live }: Memory): Memory {
  return live === undefined ? {} : { live };
}

/** The exit status when neither the new release nor the one before can be proved to serve: somebody has to look now. */
const RESTORE_FAILED = 3;

/** With which the step ends besides the usual ones, 0 and 1. */
export function exitStatusOf({ outcome }: Pick<Rollout, 'outcome'>): number | undefined {
  return outcome === 'restore-failed' ? RESTORE_FAILED : undefined;
}

/** Whether the release of a deploy serves. */
export function isLive({ outcome }: Pick<Rollout, 'outcome'>): boolean {
  return outcome === 'live' || outcome === 'unchanged';
}

/** Where what serves after a deploy does; `own` is where its release would, for want of another. */
export function endpointAfter(
  came: Pick<Rollout, 'outcome' | 'before'>,
  own: string,
  history: readonly Event[],
): string {
  return (!isLive(came) && endpointOf(history, came.before ?? undefined)) || own;
}
