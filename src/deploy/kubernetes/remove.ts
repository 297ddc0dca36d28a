import type { Digest } from '../../lib/digest.ts';
import { UserError } from '../../lib/errors.ts';
import { RELEASE_LABEL } from '../../records/cluster.ts';
import type { Manifests } from './manifests.ts';
import { type Place, selectorOf, shortOf } from './place.ts';

/** What each release has, whatever its manifests hold. */
const KINDS = [
  { apiVersion: 'apps/v1', kind: 'Deployment' },
  { apiVersion: 'policy/v1', kind: 'PodDisruptionBudget' },
  { apiVersion: 'v1', kind: 'ConfigMap' },
  { apiVersion: 'v1', kind: 'Secret' },
];

/** Removes all objects of a release by its label; its pods end by themselves, after what is in hand is answered. */
export async function removeRelease(
  place: Place,
  release: Digest,
  { own, shared, services }: Manifests | { own: []; shared: []; services: [] },
): Promise<void> {
  await removeKinds(place, [...KINDS, ...own, ...shared, ...services], selectorOf(place, release));
}

/** Removes what belongs to other releases of the environment than these. */
export async function removeOthers(place: Place, kept: readonly Digest[]): Promise<void> {
  const others = kept.length > 0 ? `,${RELEASE_LABEL} notin (${kept.map(shortOf).join(', ')})` : '';
  await removeKinds(place, KINDS, `${selectorOf(place)},${RELEASE_LABEL}${others}`);
}

async function removeKinds(
  { api, resources, log, check }: Place,
  kinds: readonly { apiVersion: string; kind: string }[],
  labelSelector: string,
): Promise<void> {
  const folders = await Promise.all(kinds.map((kind) => resources.folderOf(kind)));
  const removals = [...new Set(folders)].map(async (folder) => {
    try {
      await api.remove(folder, { labelSelector }, check);
    } catch (error) {
      // What is left serves nobody; a release that serves must not fail for it.
      if (!(error instanceof UserError)) throw error;
      log.warning(`what is no longer needed is left, to be removed by hand: ${error.message}`);
    }
  });
  await Promise.all(removals);
}
