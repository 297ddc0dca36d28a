import { type Digest, isDigest } from '../../lib/digest.ts';
import { MachineError } from '../../lib/errors.ts';
import { RELEASE_ANNOTATION, RELEASE_LABEL } from '../../records/cluster.ts';
import { applyObjects } from './apply.ts';
import type { Manifests } from './manifests.ts';
import { type Place, selectorOf, shortOf } from './place.ts';
import { type Service, service } from './types/service.ts';

/** By which deploy a Service was switched last. */
const TOKEN = 'trainyard.dev/token';
/** What it named before, while the release that it names is on trial: a digest, or `none`. */
const BEFORE = 'trainyard.dev/before';

/** What the Services of an environment say. */
export interface Front {
  readonly services: readonly Service[];
  readonly release: Digest;
  /** What served before the release on trial, null for nothing; undefined when none is on trial. */
  readonly before: Digest | null | undefined;
  /** Whether they select the pods of that release. */
  readonly isWhole: boolean;
}

/** Undefined where nothing was switched to yet. @throws MachineError when a later deploy than `token` has switched them */
export async function readFront(place: Place, token: number): Promise<Front | undefined> {
  const path = `/api/v1/namespaces/${place.namespace}/services`;
  const all = await place.api.list(path, service, { labelSelector: selectorOf(place) });
  const services = all.filter(({ metadata }) => metadata.annotations?.[TOKEN] !== undefined);
  const [first] = services;
  const release = first?.metadata.annotations?.[RELEASE_ANNOTATION] ?? '';
  if (first === undefined || !isDigest(release)) return undefined;
  for (const { metadata } of services) {
    const newest = Number(metadata.annotations?.[TOKEN]);
    if (newest > token)
      throw new MachineError(
        `another deploy has switched Service ${metadata.name} since (token ${newest}, ours is ${token}); this one stops`,
      );
  }
  const before = first.metadata.annotations?.[BEFORE];
  return {
    services,
    release,
    before: before === undefined ? undefined : isDigest(before) ? before : null,
    isWhole: services.every(
      ({ metadata, spec }) =>
        metadata.annotations?.[RELEASE_ANNOTATION] === release &&
        spec.selector?.[RELEASE_LABEL] === shortOf(release),
    ),
  };
}

/**
 * Lets the Services name a release, each in the version that was read: nobody has changed it since.
 * @param before what served before it, null for nothing; undefined when it is not on trial
 */
export async function switchFront(
  place: Place,
  { services, shared }: Manifests,
  { token, before }: { token: number; before: Digest | null | undefined },
): Promise<void> {
  await applyObjects(place, shared);
  for (const object of services) {
    for (;;) {
      const front = await readFront(place, token);
      const known = front?.services.find(({ metadata }) => metadata.name === object.metadata.name);
      const version = known?.metadata.resourceVersion;
      const annotations = {
        ...object.metadata.annotations,
        [TOKEN]: String(token),
        ...(before !== undefined && { [BEFORE]: before ?? 'none' }),
      };
      const metadata = { ...object.metadata, annotations, ...(version && { resourceVersion: version }) };
      const path = await place.resources.pathOf(object);
      if ((await place.api.applyVersion(path, { ...object, metadata })) !== undefined) break;
    }
  }
}
