import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { canonicalBytes, type JsonObject } from '../lib/json.ts';
import type { Stored } from '../records/kind.ts';
import { type ModelConfig, modelPackage, type PackageFacts, packageFacts } from '../records/package.ts';
import { CONFIG_LAYER, type ReleaseConfig, release } from '../records/release.ts';
import { source } from '../records/source.ts';
import { type Commit, sourceOf } from '../source/commit.ts';
import { readEnvironment } from '../source/read-environment.ts';
import { readProject } from '../source/read-project.ts';
import { getServer } from '../store/programs.ts';
import { getRecord, layer, putRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { manifestLayers } from './kubernetes/manifests.ts';
import { type Resolved, resolveConfig } from './resolve.ts';
import { readConfigSchema } from './schema.ts';
import { settingsOf } from './settings.ts';

export interface ReleaseRequest {
  readonly commit: Commit;
  readonly package: Digest;
  readonly environment: string;
  /** GitHub's `vars`, or none. */
  readonly vars: JsonObject;
  readonly store: Store;
}

export interface Released {
  readonly release: Stored<ReleaseConfig>;
  readonly package: Stored<ModelConfig>;
  readonly facts: PackageFacts;
  readonly config: ReadonlyMap<string, Resolved>;
}

/** Binds a package to one environment's configuration, after all of it was checked. */
export async function makeRelease({
  commit,
  environment,
  vars,
  store,
  ...request
}: ReleaseRequest): Promise<Released> {
  const modelPack = await getRecord(store, modelPackage, request.package);
  const facts = packageFacts(modelPack.manifest);
  const { name } = (await readProject(commit)).value;
  if (name !== facts.name)
    throw new UserError(
      `package ${request.package} is of project ${facts.name}, and input project is ${name}`,
    );
  if (facts.server === undefined) {
    throw new UserError(
      `package ${request.package} has no server, so there is nothing to run; declare server in trainyard.yml and package again`,
    );
  }
  const file = await readEnvironment(commit, environment);
  const server = await getServer(store, facts.server, `the server of package ${request.package}`);
  const schema = server.config.config && readConfigSchema(server.config.config);
  const resolved = resolveConfig(file, vars, schema);
  const config = Object.fromEntries([...resolved].map(([key, { value }]) => [key, value]));
  const made = { name, environment, server: facts.server, config, ...settingsOf(file.value) };
  const { place } = file;
  const manifests = await manifestLayers({ commit, config: made, server, package: modelPack, store, place });
  const blob = await store.write({ bytes: canonicalBytes(config) });
  const released = await putRecord(store, release, {
    config: made,
    layers: [layer(CONFIG_LAYER, blob, 'configuration.json'), ...manifests],
    subject: modelPack,
  });
  await putRecord(store, source, { config: sourceOf(commit), layers: [], subject: released });
  return { release: released, package: modelPack, facts, config: resolved };
}
