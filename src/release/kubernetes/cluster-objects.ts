import { UserError, userErrors } from '../../lib/errors.ts';
import type { ClusterObject } from '../../records/cluster.ts';
import { modelFilesOf } from '../../records/package.ts';
import { variablesOf } from '../../records/release.ts';
import type { KubernetesTarget } from '../../records/target.ts';
import { modelImageOf, modelSourceOf, packageOf } from './model-source.ts';
import { ownManifests } from './own/manifests.ts';
import { placeholders } from './own/placeholders.ts';
import { renderManifests } from './render.ts';
import type { ManifestRequest } from './request.ts';
import { MOST_BYTES, readSource, refuseSource } from './source.ts';

const REFUSED = 'the release cannot run on Kubernetes';

/** The manifests of a release, rendered or the user's own. @throws UserError with all that keeps the release from running there */
export async function manifestsOf(
  request: ManifestRequest,
  target: KubernetesTarget,
): Promise<ClusterObject[]> {
  const { config, server, store, commit, place } = request;
  const where = place(['target', 'kind']);
  const problems = checkParts(request).map((problem) => `${where}: ${problem}`);
  const serverImage = server.config.image ?? '';
  if (target.manifests !== undefined) {
    if (problems.length > 0) throw userErrors(REFUSED, problems);
    const images = { server: { value: serverImage }, package: { value: packageOf(request) } };
    const meanings = placeholders(config, target, { ...images, model: await modelImageOf(request) });
    const scratch = (): Promise<string> => store.scratch();
    return ownManifests({ config, target, commit, folder: target.manifests, meanings, scratch });
  }
  const model = store.client && (await modelSourceOf(request, target, problems));
  const source = await readSource(store, server.manifest);
  const refusal = refuseSource(source);
  if (refusal !== undefined) problems.push(`${where}: ${refusal}`);
  if (model === undefined || problems.length > 0) throw userErrors(REFUSED, problems);
  const [first] = modelFilesOf(request.package.manifest);
  if (first === undefined) throw new UserError(`package ${request.package.digest} holds no model file`);
  const rendering = {
    config,
    target,
    server: server.config,
    serverImage,
    model,
    modelFile: first.path,
    source,
  };
  return renderManifests(rendering);
}

/** What the server and the store are, that pods can't do with. */
function checkParts({ server, store, config }: ManifestRequest): string[] {
  const problems: string[] = [];
  if (server.config.image === undefined)
    problems.push(
      'a pod needs a container image, and the server of the package has a Python environment alone; give server.image: HOST/REPO@sha256:… in trainyard.yml, too, and package again',
    );
  if (store.client === undefined)
    problems.push(
      `pods pull the model from a registry, and the store is ${store.location}, which no cluster can reach; give input store as oci://HOST/REPOSITORY`,
    );
  const bytes = Object.values(variablesOf(config)).reduce((sum, text) => sum + Buffer.byteLength(text), 0);
  if (bytes > MOST_BYTES)
    problems.push(
      `the configuration has ${bytes} bytes, and a ConfigMap takes ${MOST_BYTES}; leave large values to files`,
    );
  const held = Object.entries(config.config).filter(([, value]) =>
    JSON.stringify(value).includes('@@TRAINYARD_'),
  );
  for (const [name] of held)
    problems.push(
      `the value of ${name} holds @@TRAINYARD_, by which manifests are filled in; take it out of config`,
    );
  return problems;
}
