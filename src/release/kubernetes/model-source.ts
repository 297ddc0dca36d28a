import { hexOf } from '../../lib/digest.ts';
import type { KubernetesTarget } from '../../records/target.ts';
import { findImage } from '../../store/find-image.ts';
import { notMountable } from './image.ts';
import type { Meaning } from './own/placeholders.ts';
import type { ModelSource } from './rendering.ts';
import type { ManifestRequest } from './request.ts';

/** The image of a package as pods name it, or why there is none that they could mount. */
export async function modelImageOf({ package: { digest }, store }: ManifestRequest): Promise<Meaning> {
  const fix = 'set model: {image: true} in trainyard.yml and package again';
  const image = await findImage(store, `image-${hexOf(digest, 12)}`, digest);
  if (image === undefined) return { why: `the package has no image; ${fix}` };
  const why = notMountable(image);
  return why === undefined ? { value: `${nameOf(store)}@${image.digest}` } : { why: `${why}; ${fix}` };
}

/** The package as pods name it. */
export function packageOf({ package: { digest }, store }: ManifestRequest): string {
  return `${nameOf(store)}@${digest}`;
}

function nameOf({ client, location }: ManifestRequest['store']): string {
  return client?.name ?? location;
}

/** Where pods get the model; undefined after what is wrong was told. */
export async function modelSourceOf(
  request: ManifestRequest,
  { model }: KubernetesTarget,
  problems: string[],
): Promise<ModelSource | undefined> {
  const { store, place } = request;
  if (typeof model === 'object') {
    const plainHttp = store.client?.base.protocol === 'http:';
    return { kind: 'pull', by: model.init, reference: packageOf(request), plainHttp };
  }
  const image = await modelImageOf(request);
  if ('value' in image) return { kind: 'image', reference: image.value };
  problems.push(
    `${place(['target', model === undefined ? 'kind' : 'model'])}: the model is mounted as an image, and ${image.why}, or let an init container pull the package: target: {model: {init: IMAGE@sha256:…}}, an image that holds oras`,
  );
  return undefined;
}
