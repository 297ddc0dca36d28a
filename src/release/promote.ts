import type { Digest } from '../lib/digest.ts';
import { hexOf } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { durationOf } from '../lib/units.ts';
import { type Event, endpointOf, servedAfter } from '../records/history.ts';
import { release } from '../records/release.ts';
import { historyOf } from '../store/history.ts';
import { getRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import type { Answer } from './answering.ts';

export interface Promotion {
  readonly name: string;
  /** The environment whose package is promoted. */
  readonly from: string;
  /** How long it has to have been live there. */
  readonly soakSeconds: number;
}

export interface PromotionDeps {
  readonly store: Store;
  readonly log: Log;
  /** In milliseconds since 1970. */
  now(): number;
  /** Asks an endpoint which release answers there. */
  ask(endpoint: string): Promise<Answer>;
}

/**
 * The package of what serves in an environment.
 * @throws UserError when nothing serves there, when it is not healthy, and when it has not been live for long enough
 */
export async function packageToPromote(
  { name, from, soakSeconds }: Promotion,
  { store, log, now, ask }: PromotionDeps,
): Promise<Digest> {
  const history = await historyOf({ records: store, name, environment: from });
  const newest = history.at(-1);
  const served = newest && servedAfter(newest);
  const refuse = (why: string): UserError => new UserError(`what ${from} serves is not promoted: ${why}`);
  if (newest?.outcome === 'restore-failed')
    throw refuse(
      `its newest deployment (${newest.endedAt}) is restore-failed: ${newest.reason}. Deploy there until it is live, then promote`,
    );
  if (newest === undefined || served === undefined || served === null)
    throw refuse(
      `${store.location} knows of nothing that serves ${name} there. ${store.limits ?? 'Deploy to it first, with this store'}`,
    );
  const found = await getRecord(store, release, served);
  const short = hexOf(served, 12);
  const since = liveSince(history, served);
  const age = Math.floor((now() - Date.parse(since)) / 1000);
  if (age < soakSeconds)
    throw refuse(
      `release ${short} has been live for ${durationOf(Math.max(0, age))} (since ${since}), and has to be for ${durationOf(soakSeconds)} (soak). Promote it ${age < 0 ? 'when the clocks agree' : `in ${durationOf(soakSeconds - age)}`}`,
    );
  // Only a front tells its release to whoever asks; of another target the record counts.
  if (found.config.target.kind === 'process') {
    const endpoint = endpointOf(history, served);
    const answer = await ask(endpoint);
    if ('problem' in answer) throw refuse(`release ${short} is live at ${endpoint}, and ${answer.problem}`);
    if ('release' in answer && answer.release !== served)
      throw refuse(
        `release ${short} is live by the record, and ${endpoint} answers as ${hexOf(answer.release, 12)}. Deploy to ${from} again`,
      );
    if ('unreachable' in answer)
      log.info(`${endpoint} can't be asked from here (${answer.unreachable}); the record counts`);
  }
  const { subject } = found.manifest;
  if (subject === undefined) throw refuse(`release ${served} names no package; make it again`);
  log.info(`${from} serves release ${short} since ${since}; its package ${subject.digest} is promoted`);
  return subject.digest;
}

/** Since when a release has been live without another one in between. */
function liveSince(history: readonly Event[], served: Digest): string {
  const before = history.findLastIndex((event) => servedAfter(event) !== served);
  return history[before + 1]?.endedAt ?? '';
}
