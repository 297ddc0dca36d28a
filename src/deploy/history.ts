import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { type DeploymentConfig, deployment, servesAfter } from '../records/deployment.ts';
import { findRecord } from '../store/records.ts';
import type { State } from './state.ts';

/** A Deployment of a project in an environment, with the release that it deployed. */
export interface Event extends DeploymentConfig {
  readonly release: Digest;
}

/** What was deployed to an environment, the oldest first. */
export async function historyOf({ store, name, environment }: State): Promise<Event[]> {
  const events: Event[] = [];
  for (const digest of new Set((await store.names(`deployment-${name}-${environment}-`)).values())) {
    const found = await findRecord(store, deployment, digest);
    const release = found?.manifest.subject?.digest;
    // The names of two environments may begin alike.
    if (found?.config.name !== name || found.config.environment !== environment || !release) continue;
    events.push({ ...found.config, release });
  }
  return events.sort((a, b) => a.endedAt.localeCompare(b.endedAt));
}

/** What served last, by the history's word; it may have ended with the machine since. */
export function lastServed(history: readonly Event[]): Digest | undefined {
  return history.reduce<Digest | undefined>((served, event) => servedAfter(event) ?? served, undefined);
}

function servedAfter(event: Event): Digest | null {
  const serves = servesAfter(event);
  if (serves === 'none') return null;
  return serves === 'this' ? event.release : event.before;
}

/**
 * What was live before the current release first went live.
 * @param current what serves now, if anything is known to
 * @throws UserError when there is none
 */
export function previousOf(
  { name, environment, folder }: State,
  history: readonly Event[],
  current = lastServed(history),
): Digest {
  const before = findPrevious(history, current);
  if (before !== undefined) return before;
  if (current === undefined)
    throw new UserError(
      `nothing was ever deployed here as ${name} to ${environment}, so there is no previous release. Check name and environment, and that this is the machine: its history is in ${folder}`,
    );
  const later = newestReleases(history, 3).filter((release) => release !== current);
  const others = later.length === 0 ? '' : `; live after it were ${later.join(', ')}`;
  throw new UserError(
    `${current} is the first release that was live here, so there is no previous one; give the digest of a release${others}`,
  );
}

/** The same, or undefined when there is none. */
export function findPrevious(history: readonly Event[], current = lastServed(history)): Digest | undefined {
  // A deploy that was killed after its switch left no Deployment of its own; what the next one found serving tells of it.
  const first = history.findIndex((event) => event.before === current || servedAfter(event) === current);
  const found = history[first]?.before ?? current;
  const before = found === current ? lastServed(history.slice(0, first === -1 ? undefined : first)) : found;
  return before === current ? undefined : before;
}

/** The releases that were live last, the newest first. */
export function newestReleases(history: readonly Event[], count: number): Digest[] {
  const live = history.filter((event) => servesAfter(event) === 'this').map(({ release }) => release);
  return [...new Set(live.reverse())].slice(0, count);
}
