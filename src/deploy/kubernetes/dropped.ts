import { type ClusterObject, RELEASE_LABEL } from '../../records/cluster.ts';
import { Refused } from '../target.ts';
import { type Manifests, podSpecOf } from './manifests.ts';
import type { Pod, PodSpec } from './types/pod.ts';

/**
 * What an API server left out of the pods of an object that it took: it does so without a word for what it does not know.
 * @param found the object as it has it
 */
export function droppedFrom(wanted: ClusterObject, found: ClusterObject): string[] {
  const [given, kept] = [podSpecOf(wanted), podSpecOf(found)];
  if (given === undefined || kept === undefined) return [];
  const what = `${wanted.kind} ${wanted.metadata.name}`;
  return [
    ...differences(imageVolumesOf(given), imageVolumesOf(kept)).map(
      (volume) =>
        `${what}: the cluster dropped the image volume ${volume}, so that pods would run without the model. Image volumes need Kubernetes 1.31 or later with the feature gate ImageVolume on, in the API server and in each kubelet; without it, let an init container pull the model: target: {model: {init: IMAGE@sha256:…}}`,
    ),
    ...differences(imagesOf(given), imagesOf(kept)).map(
      (image) =>
        `${what}: the cluster has another image than ${image}; look for a webhook that changes images`,
    ),
  ];
}

/** A pod runs the images that its release names, by digest, and has the volumes with the model. @throws Refused for another one */
export function refuseOther({ metadata, spec }: Pod, { own, short }: Manifests): void {
  const templates = own.flatMap((object) => podSpecOf(object) ?? []);
  const has = [...imagesOf(spec), ...imageVolumesOf(spec)];
  const isOne = templates.some(
    (template) => differences([...imagesOf(template), ...imageVolumesOf(template)], has).length === 0,
  );
  if (isOne && metadata.labels?.[RELEASE_LABEL] === short) return;
  throw new Refused(`pod ${metadata.name} is not as the release was rendered: it has ${has.join(', ')}`);
}

/** `NAME (REFERENCE)` of each volume that is an image. */
function imageVolumesOf({ volumes }: PodSpec): string[] {
  return volumes.flatMap(({ name, image }) => (image ? [`${name} (${image.reference})`] : []));
}

/** `NAME (IMAGE)` of each container. */
function imagesOf({ containers, initContainers }: PodSpec): string[] {
  return [...initContainers, ...containers].map(({ name, image }) => `${name} (${image})`);
}

function differences(wanted: readonly string[], found: readonly string[]): string[] {
  return wanted.filter((one) => !found.includes(one));
}
