import { type Digest, hexOf } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { canonicalBytes } from '../lib/json.ts';
import type { Log } from '../lib/log.ts';
import { bytesText } from '../lib/progress.ts';
import type { Stored } from '../records/kind.ts';
import { type Descriptor, IMAGE_INDEX, IMAGE_MANIFEST } from '../records/oci.ts';
import { modelFilesOf, modelPackage } from '../records/package.ts';
import { findImage } from '../store/find-image.ts';
import type { Store } from '../store/store.ts';
import { putStream, tarOf } from './tar.ts';

const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';
/** Files have no architecture, but containerd takes an image only if its configuration names the machine's. */
const ARCHITECTURES = ['amd64', 'arm64'];

/** @throws UserError for a store from which no tool could pull an image */
export function checkImageStore(store: Store, place: string): void {
  if (store.location !== 'artifact:') return;
  throw new UserError(
    `${place}: model.image asks for a container image, and nothing can pull one from artifact:; name another store (oci://HOST/REPO or a folder), or leave image out`,
  );
}

/**
 * Makes the model's files into an ordinary OCI image under /models, a layer for each, and an index that names it for every
 * architecture beside the package. What is whole in the store already is not made again.
 * @param from where the model's files are read, which may be nearer
 * @returns the digest of the index: what a pod mounts, and tools pull
 */
export async function putImage(
  store: Store,
  from: Store,
  packaged: Stored<unknown>,
  log: Log,
): Promise<Digest> {
  const tag = `image-${hexOf(packaged.digest, 12)}`;
  const known = await findImage(store, tag, packaged.digest);
  if (known !== undefined) return known.digest;
  const layers: Descriptor[] = [];
  for (const { digest, size, path } of modelFilesOf(packaged.manifest)) {
    log.info(`making ${path} (${bytesText(size)}) into a layer of the image`);
    const open = () => tarOf(`models/${path}`, size, () => from.read(digest));
    layers.push({ mediaType: LAYER, ...(await putStream(store, open)) });
  }
  const manifests: object[] = [];
  for (const architecture of ARCHITECTURES) {
    const platform = { architecture, os: 'linux' };
    const rootfs = { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
    const config = await store.write({ bytes: canonicalBytes({ ...platform, config: {}, rootfs }) });
    const manifest = {
      schemaVersion: 2,
      mediaType: IMAGE_MANIFEST,
      config: { mediaType: CONFIG, ...config },
      layers,
    };
    const bytes = canonicalBytes(manifest);
    const digest = await store.put(bytes, [`${tag}-${architecture}`]);
    manifests.push({ mediaType: IMAGE_MANIFEST, digest, size: bytes.length, platform });
  }
  const { digest, size } = packaged;
  const { artifactType } = modelPackage;
  // Runtimes pass over what is for no platform.
  const platform = { architecture: 'unknown', os: 'unknown' };
  manifests.push({ mediaType: IMAGE_MANIFEST, digest, size, artifactType, platform });
  return store.put(canonicalBytes({ schemaVersion: 2, mediaType: IMAGE_INDEX, manifests }), [tag]);
}
