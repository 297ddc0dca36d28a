import type { Digest } from '../../lib/digest.ts';
import { UserError } from '../../lib/errors.ts';
import { type ClusterObject, fillManifests, RELEASE, RELEASE_ANNOTATION } from '../../records/cluster.ts';
import { clusterLabels } from '../../records/cluster-names.ts';
import { podSpecOf } from './manifests.ts';
import { type Place, secretName } from './place.ts';
import { type Secret, secret } from './types/config-map.ts';
import type { Container } from './types/container.ts';

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

/** What pods need of Secrets that others keep, and the namespace does not have. */
export async function missingSecrets(
  place: Place,
  own: readonly ClusterObject[],
  release: Digest,
): Promise<string[]> {
  const wanted = new Map<string, Set<string>>();
  const mine = secretName(place, release);
  for (const spec of own.flatMap((object) => podSpecOf(object) ?? []))
    for (const { name, key } of [...spec.initContainers, ...spec.containers].flatMap(referencesOf))
      if (name !== mine) wanted.set(name, (wanted.get(name) ?? new Set()).add(key));
  const problems = [...wanted].map(async ([name, keys]) => {
    const path = `/api/v1/namespaces/${place.namespace}/secrets/${name}`;
    const found = await place.api.get(path, secret).catch((error: unknown) => {
      // Who may not read it leaves it to the kubelet.
      if (!(error instanceof UserError)) throw error;
      place.log.warning(
        `whether the Secret ${name} has what the release needs is not known: ${error.message}`,
      );
      return 'unknown' as const;
    });
    if (found === 'unknown') return [];
    if (found === undefined)
      return [
        `there is no Secret ${name} in namespace ${place.namespace}; the release needs its ${[...keys].join(', ')}`,
      ];
    const absent = [...keys].filter((key) => key !== '' && found.data?.[key] === undefined);
    const has = Object.keys(found.data ?? {}).join(', ') || 'nothing';
    return absent.map(
      (key) => `the Secret ${name} in namespace ${place.namespace} has no key ${key} (it has ${has})`,
    );
  });
  return (await Promise.all(problems)).flat();
}

/** With an empty key where all of it is taken. */
function referencesOf({ env, envFrom }: Container): { name: string; key: string }[] {
  const single = env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []);
  const whole = envFrom.flatMap(({ secretRef }) => {
    const name = secretRef?.name;
    return name === undefined ? [] : [{ name, key: '', optional: secretRef?.optional }];
  });
  return [...single, ...whole].filter(({ optional }) => optional !== true);
}

function encoded(values: Values): Record<string, string> {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
  );
}
