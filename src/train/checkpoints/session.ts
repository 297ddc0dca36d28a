import { messageOf } from '../../lib/errors.ts';
import { pidIn } from '../../lib/shared-lock.ts';
import type { RunConfig } from '../../records/run.ts';
import type { TrainDeps } from '../request.ts';
import { takeLock } from './lock.ts';
import { openPlace, type Place } from './place.ts';

const WAIT_LINE_MS = 60_000;

/** The checkpoints of a training, of which this process alone is the writer until it releases them. */
export interface Session {
  readonly place: Place;
  /** Whether another job was waited for. */
  readonly hasWaited: boolean;
  /** Aborted when another machine took this one for dead. */
  readonly lost: AbortSignal;
  release(): Promise<void>;
}

/**
 * Opens the place of a training's checkpoints, and waits until no other job trains the same.
 * @throws UserError for a place that cannot be one; the reason of the signal
 */
export async function openSession(trainingId: RunConfig['trainingId'], deps: TrainDeps): Promise<Session> {
  const { log, signal } = deps;
  const place = await openPlace(deps.checkpoints, trainingId, deps.data.openStore);
  let hasWaited = false;
  let next = 0;
  const onWait = (holder: string): void => {
    hasWaited = true;
    if (performance.now() < next) return;
    next = performance.now() + WAIT_LINE_MS;
    log.info(`another job trains the same (process ${pidIn(holder)} on its machine); waiting for it`);
  };
  const lock = await takeLock(place, { signal, onWait });
  const lost = new AbortController();
  lock.lost.catch((error: unknown) => {
    log.warning(messageOf(error));
    lost.abort(error);
  });
  return { place, hasWaited, lost: lost.signal, release: () => lock.release() };
}
