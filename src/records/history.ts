import type { Digest } from '../lib/digest.ts';
import { type DeploymentConfig, servesAfter } from './deployment.ts';

/** A Deployment of a project in an environment, with the release that it deployed. Histories begin with the oldest. */
export interface Event extends DeploymentConfig {
  /** Of the Deployment itself. */
  readonly digest: Digest;
  readonly release: Digest;
}

/** The release that served when a deploy was over, null when none did. */
export function servedAfter(event: Event): Digest | null {
  const serves = servesAfter(event);
  if (serves === 'none') return null;
  return serves === 'this' ? event.release : event.before;
}

/** What served last, by the history's word; it may have ended with the machine since. */
export function lastServed(history: readonly Event[]): Digest | undefined {
  return history.reduce<Digest | undefined>((served, event) => servedAfter(event) ?? served, undefined);
}

/** Where a release serves, by the history's word, empty if it has none: by its own deploy before a failed one of another address. */
export function endpointOf(history: readonly Event[], served: Digest | undefined): string {
  const events = history.filter((event) => servedAfter(event) === served);
  return (events.findLast(({ release }) => release === served) ?? events.at(-1))?.endpoint ?? '';
}

/** What was live before the current release first went live; undefined when nothing was. */
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

/** The roll-back that holds a release away, or others that are like it; undefined when none does, or a person lifted that since. */
export function heldBy(history: readonly Event[], ...releases: readonly Digest[]): Event | undefined {
  return history.reduce<Event | undefined>((held, event) => {
    if (event.holds !== undefined && releases.includes(event.holds)) return event;
    return event.lifts === true && releases.includes(event.release) ? undefined : held;
  }, undefined);
}

/** Whether deploying a release goes back behind what serves: it was live before that one first went live. */
export function isWayBack(history: readonly Event[], release: Digest, current: Digest | undefined): boolean {
  const firstLive = (wanted: Digest | undefined): number =>
    history.findIndex((event) => servesAfter(event) === 'this' && event.release === wanted);
  const [then, now] = [firstLive(release), firstLive(current)];
  return release !== current && then !== -1 && then < now;
}
