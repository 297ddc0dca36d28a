import { UserError, userErrors } from '../../lib/errors.ts';
import { canonicalBytes } from '../../lib/json.ts';
import type { ClusterObject } from '../../records/cluster.ts';
import type { Descriptor } from '../../records/oci.ts';
import { modelFilesOf } from '../../records/package.ts';
import { MANIFESTS_LAYER } from '../../records/release.ts';
import type { KubernetesTarget } from '../../records/target.ts';
import { layer } from '../../store/records.ts';
import { modelSourceOf } from './model-source.ts';
import { renderManifests } from './render.ts';
import type { ManifestRequest } from './request.ts';
import { readSource, refuseSource } from './source.ts';

/**
 * What a release carries for its target besides the configuration: for Kubernetes its manifests, for a process nothing.
 * @throws UserError with all that keeps the release from running there
 */
export async function manifestLayers(request: ManifestRequest): Promise<Descriptor[]> {
  const { target } = request.config;
  if (target.kind !== 'kubernetes') return [];
  const objects = await manifestsOf(request, target);
  const blob = await request.store.write({ bytes: canonicalBytes(objects) });
  return [layer(MANIFESTS_LAYER, blob, 'manifests.json')];
}

async function manifestsOf(request: ManifestRequest, target: KubernetesTarget): Promise<ClusterObject[]> {
  const { config, server, store, place } = request;
  const problems: string[] = [];
  const { environment } = server.config;
  if (environment.kind !== 'image')
    problems.push(
      `${place(['target', 'kind'])}: a pod needs a container image, and the server of the package has a Python environment; give server.image: HOST/REPO@sha256:… instead of server.python in trainyard.yml, and package again`,
    );
  const model = await modelSourceOf(request, target, problems);
  const source = await readSource(store, server.manifest);
  const refusal = refuseSource(source);
  if (refusal !== undefined) problems.push(`${place(['target', 'kind'])}: ${refusal}`);
  if (environment.kind !== 'image' || model === undefined || problems.length > 0)
    throw userErrors('the release cannot run on Kubernetes', problems);
  const [first] = modelFilesOf(request.package.manifest);
  if (first === undefined) throw new UserError(`package ${request.package.digest} holds no model file`);
  return renderManifests({
    config,
    target,
    server: server.config,
    serverImage: environment.image,
    model,
    modelFile: first.path,
    source,
  });
}
