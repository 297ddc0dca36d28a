import type { Digest } from '../../lib/digest.ts';
import { tryJson } from '../../lib/json.ts';
import { index } from '../../records/oci.ts';
import { getManifest } from '../../store/records.ts';
import type { Store } from '../../store/store.ts';

const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = /^application\/vnd\.oci\.image\.layer\.v1\.tar(\+(gzip|zstd))?$/;

/**
 * Why the image of a package would not be mounted with the model in it; undefined when it would. Of anything but the layers of
 * an image a runtime mounts an empty folder, without a word.
 * @param image the digest of the index
 */
export async function notMountable(store: Store, image: Digest): Promise<string | undefined> {
  const bytes = await store.get(image);
  const parsed = index.safeParse(bytes && tryJson(Buffer.from(bytes).toString()));
  const entries = (parsed.data?.manifests ?? []).filter(({ artifactType }) => artifactType === undefined);
  if (entries.length === 0) return `${image} in ${store.location} is an index without images`;
  for (const { digest } of entries) {
    const found = await getManifest(store, digest);
    if (found === undefined) return `its part ${digest} is not in ${store.location}`;
    const { config, layers } = found.manifest;
    const wrong = [
      ...(layers.length === 0 ? ['no layers'] : []),
      ...layers.flatMap(({ mediaType }) => (LAYER.test(mediaType) ? [] : [mediaType])),
    ];
    if (config.mediaType !== CONFIG) wrong.push(config.mediaType);
    if (wrong.length > 0)
      return `${digest} in it is no image (it has ${wrong.join(', ')}), of which a runtime would mount an empty folder`;
  }
  return undefined;
}
