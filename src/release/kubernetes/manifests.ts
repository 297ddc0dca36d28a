import { canonicalBytes } from '../../lib/json.ts';
import type { Descriptor } from '../../records/oci.ts';
import { MANIFESTS_LAYER } from '../../records/release.ts';
import { layer } from '../../store/records.ts';
import type { ManifestRequest } from './request.ts';

/**
 * What a release carries for its target besides the configuration: for Kubernetes its manifests, for a process nothing.
 * @throws UserError with all that keeps the release from running there
 */
export async function manifestLayers(request: ManifestRequest): Promise<Descriptor[]> {
  const { target } = request.config;
  if (target.kind !== 'kubernetes') return [];
  // What renders them is loaded only where there is a cluster.
  const { manifestsOf } = await import('./cluster-objects.ts');
  const objects = await manifestsOf(request, target);
  const blob = await request.store.write({ bytes: canonicalBytes(objects) });
  return [layer(MANIFESTS_LAYER, blob, 'manifests.json')];
}
