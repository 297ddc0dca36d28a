import type { Digest } from '../lib/digest.ts';
import { whatServes } from '../store/live.ts';
import type { Store } from '../store/store.ts';
import { type Parts, readParts } from './parts.ts';

/** What serves in an environment; without `parts` when the store does not hold it. */
export interface Serving {
  readonly release: Digest | undefined;
  readonly parts: Parts | undefined;
}

/** Reads it, by the store's word. */
export async function readServing(store: Store, name: string, environment: string): Promise<Serving> {
  const [live] = await whatServes(store, { name, environment });
  return { release: live?.release, parts: live && (await readParts(store, live.release)) };
}
