import { hexOf } from '../lib/digest.ts';
import { messageOf } from '../lib/errors.ts';
import { type Event, lastServed } from '../records/history.ts';
import type { Stored } from '../records/kind.ts';
import { type ReleaseConfig, release } from '../records/release.ts';
import type { Target } from '../records/target.ts';
import { byEnd, historyOf } from '../store/history.ts';
import { findRecord } from '../store/records.ts';
import type { DeployDeps } from './request.ts';
import type { Site } from './site.ts';

/** What a site and the store together tell of an environment: a machine may be new, and not know what people have decided. */
export async function toldBy(
  site: Site,
  here: readonly Event[],
  { store, log }: Pick<DeployDeps, 'store' | 'log'>,
): Promise<Event[]> {
  if (site.records === store) return [...here];
  const { name, environment } = site;
  const there = await historyOf({ records: store, name, environment }).catch((error: unknown) => {
    log.warning(`what ${store.location} tells of this environment is not known: ${messageOf(error)}`);
    return [];
  });
  const all = new Map([...there, ...here].map((event) => [event.digest, event]));
  return byEnd([...all.values()]);
}

/** Warns of a release of this environment that serves at another place, where this deploy ends nothing. */
export async function warnOfOthers(
  { config }: Stored<ReleaseConfig>,
  told: readonly Event[],
  { store, log }: Pick<DeployDeps, 'store' | 'log'>,
): Promise<void> {
  const last = lastServed(told);
  const other = last && (await findRecord(store, release, last).catch(() => undefined));
  if (other === undefined || placeOf(other.config.target) === placeOf(config.target)) return;
  log.warning(
    `${config.environment} has moved from ${placeOf(other.config.target)} to ${placeOf(config.target)}: release ${hexOf(other.digest, 12)} goes on serving there, until you end it`,
  );
}

function placeOf(target: Target): string {
  if (target.kind === 'process') return 'a machine';
  const context = target.context === undefined ? '' : ` of ${target.context}`;
  return `the namespace ${target.namespace}${context}`;
}
