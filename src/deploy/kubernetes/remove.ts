import type { Digest } from '../../lib/digest.ts';
import { messageOf } from '../../lib/errors.ts';
import { type ClusterObject, RELEASE_LABEL } from '../../records/cluster.ts';
import { TakenOver } from '../ledger.ts';
import { type Edition, isEditionOf } from './edition.ts';
import { type Place, selectorOf } from './place.ts';
import { item } from './types/object.ts';

type Kind = Pick<ClusterObject, 'apiVersion' | 'kind'>;

/** What each release has, whatever its manifests hold. */
const KINDS = [
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget' },
  { apiVersion: 'v1', kind: 'ConfigMap' },
  { apiVersion: 'v1', kind: 'Secret' },
];

/** Removes the objects of these kinds, and of those that every release has, of one edition; its pods end by themselves, after what is in hand is answered. */
export async function removeEdition(place: Place, edition: Edition, kinds: readonly Kind[]): Promise<void> {
  await removeKinds(place, [...KINDS, ...kinds], selectorOf(place, edition));
}

/** Removes what belongs to other editions of the environment's releases than these. */
export async function removeOthers(place: Place, kept: readonly Edition[]): Promise<void> {
  const shorts = [...new Set(kept.map(({ short }) => short))];
  const others = shorts.length > 0 ? `,${RELEASE_LABEL} notin (${shorts.join(', ')})` : '';
  await removeKinds(place, KINDS, `${selectorOf(place)},${RELEASE_LABEL}${others}`);
}

/** The editions of a release that have a workload of these kinds. */
export async function editionsOf(
  place: Place,
  release: Digest,
  workloads: readonly Kind[],
): Promise<Edition[]> {
  const folders = await Promise.all(workloads.map((kind) => place.resources.folderOf(kind)));
  const found = await Promise.all(
    [...new Set(folders)].map((folder) => place.api.list(folder, item, { labelSelector: selectorOf(place) })),
  );
  const shorts = found.flat().map(({ metadata }) => metadata.labels?.[RELEASE_LABEL] ?? '');
  return [...new Set(shorts)]
    .filter((short) => isEditionOf(short, release))
    .map((short) => ({ release, short }));
}

async function removeKinds(
  { api, resources, log, check }: Place,
  kinds: readonly Kind[],
  labelSelector: string,
): Promise<void> {
  const folders = await Promise.all(kinds.map((kind) => resources.folderOf(kind)));
  const removals = [...new Set(folders)].map(async (folder) => {
    try {
      await api.remove(folder, { labelSelector }, check);
    } catch (error) {
      if (error instanceof TakenOver) throw error;
      // What is left serves nobody; a release that serves must not fail for it, and what is half removed is no way back.
      log.warning(`what is no longer needed is left, to be removed by hand: ${messageOf(error)}`);
    }
  });
  await Promise.all(removals);
}
