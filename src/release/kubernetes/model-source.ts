import { hexOf } from '../../lib/digest.ts';
import type { KubernetesTarget } from '../../records/target.ts';
import { findImage } from '../../store/find-image.ts';
import { notMountable } from './image.ts';
import type { ModelSource } from './rendering.ts';
import type { ManifestRequest } from './request.ts';

/** Where pods get the model; undefined after what is wrong was told. */
export async function modelSourceOf(
  { package: modelPack, store, place }: ManifestRequest,
  target: KubernetesTarget,
  problems: string[],
): Promise<ModelSource | undefined> {
  if (store.client === undefined) {
    problems.push(
      `${place(['target', 'kind'])}: pods pull the model from a registry, and the store is ${store.location}, which no cluster can reach; give input store as oci://HOST/REPOSITORY`,
    );
    return undefined;
  }
  const { name, base } = store.client;
  if (typeof target.model === 'object') {
    const reference = `${name}@${modelPack.digest}`;
    return { kind: 'pull', by: target.model.init, reference, plainHttp: base.protocol === 'http:' };
  }
  const where = place(['target', target.model === undefined ? 'kind' : 'model']);
  const image = await findImage(store, `image-${hexOf(modelPack.digest, 12)}`, modelPack.digest);
  const why = image === undefined ? 'the package has none' : await notMountable(store, image);
  if (image !== undefined && why === undefined) return { kind: 'image', reference: `${name}@${image}` };
  problems.push(
    `${where}: the model is mounted as an image, and ${why}; set model: {image: true} in trainyard.yml and package again, or let an init container pull it: target: {model: {init: IMAGE@sha256:…}} with an image that holds oras`,
  );
  return undefined;
}
