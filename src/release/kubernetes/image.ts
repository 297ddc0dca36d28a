import type { PackageImage } from '../../store/find-image.ts';

const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = /^application\/vnd\.oci\.image\.layer\.v1\.tar(\+(gzip|zstd))?$/;

/**
 * Why the image of a package would not be mounted with the model in it; undefined when it would. Of anything but the layers of
 * an image a runtime mounts an empty folder, without a word.
 */
export function notMountable({ digest: index, images }: PackageImage): string | undefined {
  if (images.length === 0) return `${index} is an index without images`;
  for (const { digest, manifest } of images) {
    const { config, layers } = manifest;
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
