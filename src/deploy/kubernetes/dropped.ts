import type { ClusterObject } from '../../records/cluster.ts';
import { podSpecOf } from './manifests.ts';
import type { PodSpec } from './types/pod.ts';

/**
 * What an API server left out of the pods of an object that it took: it does so without a word for what it does not know.
 * @param found the object as it has it
 */
export function droppedFrom(wanted: ClusterObject, found: ClusterObject): string[] {
  const [given, kept] = [podSpecOf(wanted), podSpecOf(found)];
  if (given === undefined || kept === undefined) return [];
  const what = `${wanted.kind} ${wanted.metadata.name}`;
  return [
    ...imageVolumesOf(given)
      .filter((volume) => !imageVolumesOf(kept).includes(volume))
      .map(
        (volume) =>
          `${what}: the cluster dropped the image volume ${volume}, so that pods would run without the model. Image volumes need Kubernetes 1.31 or later with the feature gate ImageVolume on, in the API server and in each kubelet; without it, let an init container pull the model: target: {model: {init: IMAGE@sha256:…}}`,
      ),
    ...differences(imagesOf(given), imagesOf(kept)).map(
      (image) =>
        `${what}: the cluster has another image than ${image}; look for a webhook that changes images`,
    ),
  ];
}

/** `NAME (REFERENCE)` of each volume that is an image. */
export function imageVolumesOf({ volumes }: PodSpec): string[] {
  return volumes.flatMap(({ name, image }) => (image ? [`${name} (${image.reference})`] : []));
}

/** `NAME (IMAGE)` of each container. */
export function imagesOf({ containers, initContainers }: PodSpec): string[] {
  return [...initContainers, ...containers].map(({ name, image }) => `${name} (${image})`);
}

function differences(wanted: readonly string[], found: readonly string[]): string[] {
  return wanted.filter((one) => !found.includes(one));
}
