import type { Digest } from '../lib/digest.ts';
import { type Event, endpointOf, servedAfter } from '../records/history.ts';
import { byEnd, eventsOf, historyOf } from './history.ts';
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
  const histories = new Map<string, Event[]>();
  const found = only ? await historyOf({ records: store, ...only }) : await eventsOf(store, 'deployment-');
  for (const event of found) {
    const place = `${event.name}/${event.environment}`;
    const history = histories.get(place) ?? [];
    history.push(event);
    histories.set(place, history);
  }
  return [...histories.values()].flatMap((events) => {
    const history = byEnd(events);
    const newest = history.at(-1);
    const release = newest && servedAfter(newest);
    if (!release) return [];
    const { name, environment, endedAt: since } = newest;
    return [{ name, environment, release, endpoint: endpointOf(history, release), since }];
  });
}
