import { UserError } from '../../lib/errors.ts';
import { type Manifests, podSpecOf } from './manifests.ts';
import { type Place, secretName } from './place.ts';
import type { Values } from './secrets.ts';
import { type Secret, secret } from './types/config-map.ts';
import type { Container } from './types/container.ts';
import type { Volume } from './types/pod.ts';

/** A key that pods take of a Secret that others keep; an empty one where all of it is taken. */
interface Reference {
  readonly name: string;
  readonly key: string;
  readonly isOptional: boolean;
}

/** What pods need of Secrets that others keep, and the namespace does not have. */
export async function missingSecrets(place: Place, manifests: Manifests): Promise<string[]> {
  const needed = referencesOf(place, manifests).filter(({ isOptional }) => !isOptional);
  const problems = [...byName(needed)].map(async ([name, keys]) => {
    const found = await findOther(place, name).catch((error: unknown) => {
      // Who may not read it leaves it to the kubelet.
      if (!(error instanceof UserError)) throw error;
      place.log.warning(
        `whether the Secret ${name} has what the release needs is not known, and its values can't be hidden: ${error.message}`,
      );
      return 'unknown' as const;
    });
    if (found === 'unknown') return [];
    const named = [...keys].filter((key) => key !== '');
    if (found === undefined)
      return [
        `there is no Secret ${name} in namespace ${place.namespace}; the release needs ${named.length > 0 ? `its ${named.join(', ')}` : 'it'}`,
      ];
    const absent = named.filter((key) => found.data?.[key] === undefined);
    const has = Object.keys(found.data ?? {}).join(', ') || 'nothing';
    return absent.map(
      (key) => `the Secret ${name} in namespace ${place.namespace} has no key ${key} (it has ${has})`,
    );
  });
  return (await Promise.all(problems)).flat();
}

/** The values that pods take of Secrets that others keep, as far as they may be read: by `SECRET/KEY`. */
export async function referencedValues(place: Place, manifests: Manifests): Promise<Values> {
  const reading = [...byName(referencesOf(place, manifests))].map(async ([name, keys]) => {
    const found = await findOther(place, name).catch((error: unknown) => {
      if (!(error instanceof UserError)) throw error;
      return undefined;
    });
    return Object.entries(found?.data ?? {})
      .filter(([key]) => keys.has(key) || keys.has(''))
      .map(([key, value]) => [`${name}/${key}`, Buffer.from(value, 'base64').toString()] as const);
  });
  return Object.fromEntries((await Promise.all(reading)).flat());
}

function findOther({ api, namespace }: Place, name: string): Promise<Secret | undefined> {
  return api.get(`/api/v1/namespaces/${namespace}/secrets/${name}`, secret);
}

function referencesOf(place: Place, manifests: Manifests): Reference[] {
  const mine = secretName(place, manifests);
  const specs = manifests.own.flatMap((object) => podSpecOf(object) ?? []);
  return specs
    .flatMap(({ initContainers, containers, volumes }) => [
      ...[...initContainers, ...containers].flatMap(ofContainer),
      ...volumes.flatMap(ofVolume),
    ])
    .filter(({ name }) => name !== mine);
}

function ofContainer({ env, envFrom }: Container): Reference[] {
  return [
    ...env.flatMap(({ valueFrom }) => valueFrom?.secretKeyRef ?? []),
    ...envFrom.flatMap(({ secretRef }) => (secretRef ? { ...secretRef, key: '' } : [])),
  ].map(({ name, key, optional }) => ({ name, key, isOptional: optional === true }));
}

function ofVolume({ secret: whole, projected }: Volume): Reference[] {
  const sources = projected?.sources.flatMap(({ secret: source }) => source ?? []) ?? [];
  return [...(whole ? [{ ...whole, name: whole.secretName }] : []), ...sources].flatMap(
    ({ name, items, optional }) =>
      (items.length > 0 ? items : [{ key: '' }]).map(({ key }) => ({
        name,
        key,
        isOptional: optional === true,
      })),
  );
}

function byName(references: readonly Reference[]): ReadonlyMap<string, ReadonlySet<string>> {
  const names = new Map<string, Set<string>>();
  for (const { name, key } of references) names.set(name, (names.get(name) ?? new Set()).add(key));
  return names;
}
