import { type Digest, hexOf } from '../lib/digest.ts';
import { type Event, findPrevious, lastServed, servedAfter } from '../records/history.ts';
import { timeOf } from '../store/history.ts';
import type { Inventory } from './inventory.ts';

/** A record that the history of an environment keeps, and why. */
export interface Kept {
  readonly digest: Digest;
  readonly reason: string;
}

/** A Deployment in an inventory. */
interface Deployed {
  readonly digest: Digest;
  readonly event: Event;
}

/**
 * What serves in every environment, what `previous` goes back to, and what was live since a time, with the Deployments that say
 * so.
 * @param since in milliseconds since 1970
 */
export function keptByService(inventory: Inventory, since: number): Kept[] {
  const places = new Map<string, Deployed[]>();
  for (const { digest, event } of inventory.values()) {
    if (event === undefined) continue;
    const place = `${event.name} in ${event.environment}`;
    places.set(place, [...(places.get(place) ?? []), { digest, event }]);
  }
  return [...places].flatMap(([place, deployed]) => {
    const history = deployed.sort((a, b) => timeOf(a.event.endedAt) - timeOf(b.event.endedAt));
    return keptIn(place, history, since);
  });
}

function keptIn(place: string, deployed: readonly Deployed[], since: number): Kept[] {
  const history = deployed.map(({ event }) => event);
  const newest = deployed.at(-1);
  if (newest === undefined) return [];
  const kept: Kept[] = [{ digest: newest.digest, reason: `is the last deployment of ${place}` }];
  const keep = (digest: Digest | null | undefined, reason: string): void => {
    if (digest === null || digest === undefined) return;
    kept.push({ digest, reason });
    // The first and the last that left it serving tell since when and until when.
    const own = deployed.filter(({ event }) => event.release === digest && servedAfter(event) === digest);
    for (const one of [own[0], own.at(-1)])
      if (one !== undefined) kept.push({ digest: one.digest, reason: `its release ${reason}` });
  };
  keep(servedAfter(newest.event), `is live as ${place}`);
  const current = lastServed(history);
  keep(current, `was live last as ${place}`);
  keep(findPrevious(history, current), `is what previous goes back to for ${place}`);
  // The last word on each release that people went away from: without it, that would come back with the next push, or be held again
  // where a hold that was lifted stays for another reason.
  for (const held of new Set(history.flatMap(({ holds }) => holds ?? []))) {
    const word = history.findLast(
      ({ holds, lifts, release }) => holds === held || (lifts && release === held),
    );
    const what = word?.holds === held ? 'holds' : 'lifts the hold that keeps';
    if (word !== undefined)
      kept.push({ digest: word.digest, reason: `${what} ${hexOf(held, 12)} away from ${place}` });
  }
  for (const [i, { before, endedAt }] of history.entries()) {
    if (Date.parse(endedAt) < since) continue;
    const until = `was live as ${place} until ${endedAt.slice(0, 10)}`;
    const last = history[i - 1];
    keep(last && servedAfter(last), until);
    // What a deploy found serving may have been left by one that was killed.
    keep(before, until);
  }
  return kept;
}
