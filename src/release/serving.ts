import type { Digest } from '../lib/digest.ts';
import { lastServed } from '../records/history.ts';
import { historyOf } from '../store/history.ts';
import type { Store } from '../store/store.ts';
import { type Parts, readParts } from './parts.ts';

/** What serves in an environment; without `parts` when the store does not hold it. */
export interface Serving {
  readonly release: Digest | undefined;
  readonly parts: Parts | undefined;
}

/**
 * Reads what a metric is held against, by the store's word: what serves, or served last where a deploy has failed and nothing is
 * proved to serve. Else any model would do just then.
 */
export async function readBaseline(store: Store, name: string, environment: string): Promise<Serving> {
  const release = lastServed(await historyOf({ records: store, name, environment }));
  return { release, parts: release && (await readParts(store, release)) };
}
