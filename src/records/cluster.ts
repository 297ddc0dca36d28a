import { z } from 'zod';
import { type Digest, hexOf } from '../lib/digest.ts';

/** Stands for a release's digest in manifests, which are a part of it: deploy replaces it, and changes nothing else. */
export const RELEASE = '@@TRAINYARD_RELEASE@@';
/** The same for the first twelve digits, which fit into names and labels. */
export const RELEASE_SHORT = '@@TRAINYARD_RELEASE_SHORT@@';
/** How many those are. */
export const SHORT = 12;

/** On every object and every pod: the short form of the release to which it belongs. */
export const RELEASE_LABEL = 'trainyard.dev/release';
/** An annotation of every object: the whole digest. */
export const RELEASE_ANNOTATION = 'trainyard.dev/release-digest';
/** The field manager of all that Trainyard applies, and the value of `app.kubernetes.io/managed-by`. */
export const MANAGER = 'trainyard';

/** What every object of Kubernetes has. */
export const clusterObject = z.looseObject({
  apiVersion: z.string().min(1),
  kind: z.string().min(1),
  metadata: z.looseObject({
    name: z.string().min(1),
    namespace: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
});
export type ClusterObject = z.infer<typeof clusterObject>;

/** The layer MANIFESTS_LAYER of a release. */
export const manifestList = z.array(clusterObject);

/**
 * A release's manifests with its digest in them: what is applied.
 * @param short what stands in names and labels
 */
export function fillManifests(
  objects: readonly ClusterObject[],
  release: Digest,
  short = hexOf(release, SHORT),
): ClusterObject[] {
  const text = JSON.stringify(objects).replaceAll(RELEASE_SHORT, short).replaceAll(RELEASE, release);
  return manifestList.parse(JSON.parse(text));
}

/**
 * Whether an object is of one release alone: it comes and goes with it. Others, such as the Service, are shared by the releases
 * of an environment, and change with the switch.
 */
export function isOfOneRelease({ metadata }: ClusterObject): boolean {
  return metadata.name.includes(RELEASE_SHORT);
}
