import type { Stored } from '../records/kind.ts';
import type { ReleaseConfig } from '../records/release.ts';
import { getManifest } from '../store/records.ts';
import type { Store } from '../store/store.ts';

/**
 * The name by which people and other tools find what was deployed last. No record's own tag begins so, and nothing here ever
 * reads it: whoever may write the store may move a name.
 */
function aliasOf({ name, environment }: ReleaseConfig): string {
  return `live-${name}-${environment}`;
}

/** Moves that name to a release, which the store has. */
export async function moveAlias(store: Store, { digest, config }: Stored<ReleaseConfig>): Promise<void> {
  const found = await getManifest(store, digest);
  if (found !== undefined) await store.put(found.bytes, [aliasOf(config)]);
}
