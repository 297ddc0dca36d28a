import type { Digest } from '../../lib/digest.ts';
import { type ClusterObject, fillManifests, RELEASE, RELEASE_ANNOTATION } from '../../records/cluster.ts';
import { clusterLabels } from '../../records/cluster-names.ts';
import { type Place, secretName } from './place.ts';
import { type Secret, secret } from './types/config-map.ts';

export type Values = Readonly<Record<string, string>>;

/** The Secret from which a release's pods take the values that the deploy step has; none where it names no secret. */
export function secretOf(place: Place, release: Digest, values: Values): ClusterObject[] {
  if (Object.keys(values).length === 0) return [];
  const metadata = {
    name: secretName(place, release),
    namespace: place.namespace,
    labels: clusterLabels(place.name, place.environment),
    annotations: { [RELEASE_ANNOTATION]: RELEASE },
  };
  const [object] = fillManifests([{ apiVersion: 'v1', kind: 'Secret', metadata }], release);
  return object === undefined ? [] : [{ ...object, type: 'Opaque', data: encoded(values) }];
}

/** The Secret of a release as the cluster has it. */
export function findSecret(place: Place, release: Digest): Promise<Secret | undefined> {
  const { api, namespace } = place;
  return api.get(`/api/v1/namespaces/${namespace}/secrets/${secretName(place, release)}`, secret);
}

/** Whether a Secret holds these values and no others. */
export function holds(found: Secret | undefined, values: Values): boolean {
  const [wanted, kept] = [encoded(values), found?.data ?? {}];
  const names = Object.keys({ ...wanted, ...kept });
  return names.every((name) => wanted[name] === kept[name]);
}

function encoded(values: Values): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
  );
}
