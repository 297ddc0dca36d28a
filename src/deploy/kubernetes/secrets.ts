import { type ClusterObject, RELEASE_ANNOTATION, RELEASE_LABEL } from '../../records/cluster.ts';
import { clusterLabels } from '../../records/cluster-names.ts';
import type { Edition } from './edition.ts';
import { type Place, secretName } from './place.ts';
import { type Secret, secret } from './types/config-map.ts';

export type Values = Readonly<Record<string, string>>;

/** The Secret from which an edition's pods take the values that the deploy step has; none where it names no secret. */
export function secretOf(place: Place, edition: Edition, values: Values): ClusterObject[] {
  if (Object.keys(values).length === 0) return [];
  const metadata = {
    name: secretName(place, edition),
    namespace: place.namespace,
    labels: { ...clusterLabels(place.name, place.environment), [RELEASE_LABEL]: edition.short },
    annotations: { [RELEASE_ANNOTATION]: edition.release },
  };
  return [{ apiVersion: 'v1', kind: 'Secret', metadata, type: 'Opaque', data: encoded(values) }];
}

/** The Secret of an edition as the cluster has it. */
export function findSecret(place: Place, edition: Edition): Promise<Secret | undefined> {
  const { api, namespace } = place;
  return api.get(`/api/v1/namespaces/${namespace}/secrets/${secretName(place, edition)}`, secret);
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
