import type { Digest } from '../lib/digest.ts';
import { tryJson } from '../lib/json.ts';
import { index } from '../records/oci.ts';
import { getManifest } from './records.ts';
import type { Store } from './store.ts';

/** The image of a package by its name, if that index holds this package, and all of it is there. */
export async function findImage(store: Store, tag: string, packaged: Digest): Promise<Digest | undefined> {
  const digest = await store.resolve(tag);
  const bytes = digest && (await store.get(digest));
  const parsed = index.safeParse(bytes && tryJson(Buffer.from(bytes).toString()));
  if (!parsed.success || !parsed.data.manifests.some((entry) => entry.digest === packaged)) return undefined;
  for (const entry of parsed.data.manifests) {
    const found = await getManifest(store, entry.digest);
    if (found === undefined) return undefined;
    for (const blob of [found.manifest.config, ...found.manifest.layers])
      if (!(await store.has(blob.digest))) return undefined;
  }
  return digest;
}
