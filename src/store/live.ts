import type { Digest } from '../lib/digest.ts';
import { type Event, servedAfter } from '../records/history.ts';
import { eventsOf, historyOf, timeOf } from './history.ts';
import type { Store } from './store.ts';

/** What serves in an environment, by the store's word: the newest Deployment that left something live. */
export interface Live {
  readonly name: string;
  readonly environment: string;
  readonly release: Digest;
  readonly endpoint: string;
  readonly since: string;
}

/** What serves in every environment that the store knows, or in one. */
export async function whatServes(
  store: Store,
  only?: { name: string; environment: string },
): Promise<Live[]> {
  const newest = new Map<string, Event>();
  const found = only ? await historyOf({ records: store, ...only }) : await eventsOf(store, 'deployment-');
  for (const event of found) {
    const place = `${event.name}/${event.environment}`;
    const known = newest.get(place);
    if (known === undefined || timeOf(known.endedAt) <= timeOf(event.endedAt)) newest.set(place, event);
  }
  return [...newest.values()].flatMap((event) => {
    const release = servedAfter(event);
    if (release === null) return [];
    const { name, environment, endpoint, endedAt: since } = event;
    return [{ name, environment, release, endpoint, since }];
  });
}
