import { UserError } from '../../lib/errors.ts';
import { tryJson } from '../../lib/json.ts';
import {
  type ClusterObject,
  fillManifests,
  isOfOneRelease,
  manifestList,
  RELEASE_LABEL,
} from '../../records/cluster.ts';
import { MANIFESTS_LAYER, release } from '../../records/release.ts';
import { getRecord, readBytes } from '../../store/records.ts';
import type { Edition } from './edition.ts';
import type { Place } from './place.ts';
import { type PodSpec, podSpec } from './types/pod.ts';
import { type Service, service } from './types/service.ts';
import { workload } from './types/workload.ts';

/** The objects of an edition of a release, the digest in them. */
export interface Manifests extends Edition {
  /** Those that come and go with it, in the order of the release. */
  readonly own: readonly ClusterObject[];
  /** Those that all releases of the environment share, but the Services that name the release that serves. */
  readonly shared: readonly ClusterObject[];
  /** The Services by which it serves; the first is the public one. */
  readonly services: readonly (ClusterObject & Service)[];
}

/** Reads the manifests that a release carries, as an edition of it. @throws UserError for a release that has none */
export async function readManifests(
  { store }: Pick<Place, 'store'>,
  { release: digest, short }: Edition,
): Promise<Manifests> {
  const { manifest } = await getRecord(store, release, digest);
  const layer = manifest.layers.find(({ mediaType }) => mediaType === MANIFESTS_LAYER);
  if (layer === undefined)
    throw new UserError(
      `release ${digest} has no manifests: it was not made for Kubernetes; release the package again`,
    );
  const objects = manifestList.parse(tryJson((await readBytes(store, layer.digest)).toString('utf8')));
  const filled = (wanted: boolean) =>
    fillManifests(
      objects.filter((one) => isOfOneRelease(one) === wanted),
      digest,
      short,
    );
  const shared = filled(false);
  const services = shared.flatMap((object) => {
    const { data } = service.safeParse(object);
    const isSwitch = object.kind === 'Service' && data?.spec.selector?.[RELEASE_LABEL] !== undefined;
    return isSwitch ? [{ ...object, ...data }] : [];
  });
  if (services.length === 0)
    throw new UserError(`no Service of release ${digest} selects its pods by the label ${RELEASE_LABEL}`);
  const names = services.map(({ metadata }) => metadata.name);
  const isOther = ({ kind, metadata }: ClusterObject) => kind !== 'Service' || !names.includes(metadata.name);
  return { release: digest, short, own: filled(true), shared: shared.filter(isOther), services };
}

/** Whether an object makes pods by a template, and goes on doing so. */
export function isWorkload({ apiVersion, kind }: Pick<ClusterObject, 'apiVersion' | 'kind'>): boolean {
  return apiVersion === 'apps/v1' && ['Deployment', 'StatefulSet', 'DaemonSet'].includes(kind);
}

/** The template's pod of an object that has one. */
export function podSpecOf(object: ClusterObject): PodSpec | undefined {
  return isWorkload(object) ? podSpec.parse(workload.parse(object).spec.template.spec) : undefined;
}
