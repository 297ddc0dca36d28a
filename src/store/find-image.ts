import type { Digest } from '../lib/digest.ts';
import { tryJson } from '../lib/json.ts';
import { type Descriptor, index, type Manifest } from '../records/oci.ts';
import { getManifest } from './records.ts';
import type { Store } from './store.ts';

/** The image of a package: an index, that names the package beside images of one architecture each. */
export interface PackageImage {
  readonly digest: Digest;
  readonly images: readonly { readonly digest: Digest; readonly manifest: Manifest }[];
}

/** The image of a package by its name, if that index holds this package, and all of it is there. */
export async function findImage(
  store: Store,
  tag: string,
  packaged: Digest,
): Promise<PackageImage | undefined> {
  const digest = await store.resolve(tag);
  const bytes = digest && (await store.get(digest));
  const { data } = index.safeParse(bytes && tryJson(Buffer.from(bytes).toString()));
  if (digest === undefined || !data?.manifests.some((entry) => entry.digest === packaged)) return undefined;
  const images: { digest: Digest; manifest: Manifest }[] = [];
  for (const entry of data.manifests) {
    const manifest = await wholeManifest(store, entry);
    if (manifest === undefined) return undefined;
    if (entry.artifactType === undefined) images.push({ digest: entry.digest, manifest });
  }
  return { digest, images };
}

/** Undefined where a part of it is not there. */
async function wholeManifest(store: Store, { digest }: Descriptor): Promise<Manifest | undefined> {
  const found = await getManifest(store, digest);
  if (found === undefined) return undefined;
  const { config, layers } = found.manifest;
  for (const blob of [config, ...layers]) if (!(await store.has(blob.digest))) return undefined;
  return found.manifest;
}
