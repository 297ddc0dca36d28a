import { isDigest } from '../../lib/digest.ts';
import { MachineError } from '../../lib/errors.ts';
import { RELEASE_ANNOTATION, RELEASE_LABEL } from '../../records/cluster.ts';
import { applyObjects } from './apply.ts';
import { type Edition, editionText, isSame, parseEdition } from './edition.ts';
import type { Manifests } from './manifests.ts';
import { type Place, selectorOf } from './place.ts';
import { type Service, service } from './types/service.ts';

/** By which deploy a Service was switched last. */
const TOKEN = 'trainyard.dev/token';
/** What it named before, while the release that it names is on trial: an edition, or `none`. */
const BEFORE = 'trainyard.dev/before';

/** A Service that was switched to an edition of a release. */
interface Switched extends Edition {
  readonly name: string;
  readonly version: string | undefined;
  readonly token: number;
  /** What served before what is on trial, null for nothing; undefined when nothing is on trial. */
  readonly before: Edition | null | undefined;
  /** Whether it selects the pods of that edition. */
  readonly selects: boolean;
}

/** What the Services of an environment name. A deploy that was killed may have switched some of them. */
export interface Front {
  /** The public one's word, or that of the Service that was switched last. */
  readonly lead: Switched;
  readonly all: readonly Switched[];
}

/**
 * Undefined where nothing was switched to yet.
 * @param name of the public Service; without it the one that was switched last leads
 * @throws MachineError when a later deploy than `token` has switched one
 */
export async function readFront(place: Place, token: number, name?: string): Promise<Front | undefined> {
  const path = `/api/v1/namespaces/${place.namespace}/services`;
  const found = await place.api.list(path, service, { labelSelector: selectorOf(place) });
  const all = found.flatMap((one) => switchedOf(one) ?? []);
  const late = all.find((one) => one.token > token);
  if (late !== undefined)
    throw new MachineError(
      `another deploy has switched Service ${late.name} since (token ${late.token}, ours is ${token}); this one stops`,
    );
  const newest = all.toSorted((one, other) => other.token - one.token);
  const lead = all.find((one) => one.name === name) ?? newest[0];
  return lead && { lead, all };
}

/** What served before an edition, null for nothing, by any Service that names it on trial; undefined when none does. */
export function beforeOf({ all }: Front, edition: Edition): Edition | null | undefined {
  return all.find((one) => isSame(one, edition) && one.before !== undefined)?.before;
}

/** Whether all Services of an edition name it, and lead to its pods. One that a release no longer has counts for nothing. */
export function isWhole(front: Front, { services, ...edition }: Manifests): boolean {
  return services.every(({ metadata }) =>
    front.all.some(({ name, selects, ...one }) => name === metadata.name && selects && isSame(one, edition)),
  );
}

/** The editions that Services name, or named before what is on trial. */
export function namedBy(front: Front | undefined): Edition[] {
  return (front?.all ?? []).flatMap((one) => (one.before ? [one, one.before] : [one]));
}

/**
 * Lets the Services name an edition, each in the version that was read: nobody has changed it since.
 * @param before what served before it, null for nothing; undefined when it is not on trial
 */
export async function switchFront(
  place: Place,
  { services, shared }: Manifests,
  { token, before }: { token: number; before: Edition | null | undefined },
): Promise<void> {
  await applyObjects(place, shared);
  for (const object of services) {
    for (;;) {
      const front = await readFront(place, token);
      const version = front?.all.find(({ name }) => name === object.metadata.name)?.version;
      const annotations = {
        ...object.metadata.annotations,
        [TOKEN]: String(token),
        ...(before !== undefined && { [BEFORE]: before === null ? 'none' : editionText(before) }),
      };
      const metadata = { ...object.metadata, annotations, ...(version && { resourceVersion: version }) };
      const path = await place.resources.pathOf(object);
      if ((await place.api.applyVersion(path, { ...object, metadata })) !== undefined) break;
    }
  }
}

function switchedOf({ metadata, spec }: Service): Switched | undefined {
  const { name, resourceVersion: version, annotations = {}, labels = {} } = metadata;
  const { [TOKEN]: token, [BEFORE]: before, [RELEASE_ANNOTATION]: release = '' } = annotations;
  const short = labels[RELEASE_LABEL];
  if (token === undefined || short === undefined || !isDigest(release)) return undefined;
  return {
    name,
    version,
    token: Number(token),
    release,
    short,
    before: before === undefined ? undefined : (parseEdition(before) ?? null),
    selects: spec.selector?.[RELEASE_LABEL] === short,
  };
}
