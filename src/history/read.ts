import { UserError } from '../lib/errors.ts';
import type { Event } from '../records/history.ts';
import { eventsOf, historyOf } from '../store/history.ts';
import type { Store } from '../store/store.ts';

/**
 * Every Deployment of a project in an environment that a store holds, the oldest first.
 * @throws UserError when there is none; it names what the store knows instead
 */
export async function readHistory(store: Store, name: string, environment: string): Promise<Event[]> {
  const found = await historyOf({ records: store, name, environment });
  if (found.length > 0) return found;
  const others = await eventsOf(store, 'deployment-');
  const places = new Set(others.map((one) => `${one.name} in ${one.environment}`));
  throw new UserError(
    `${store.location} holds no Deployment of ${JSON.stringify(name)} in ${JSON.stringify(environment)}; ${
      places.size === 0
        ? 'it holds none at all. Give the store that deploy writes to'
        : `it holds those of ${[...places].sort((a, b) => a.localeCompare(b)).join(', ')}`
    }`,
  );
}
