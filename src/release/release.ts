import type { Digest } from '../lib/digest.ts';
import { UserError, userErrors } from '../lib/errors.ts';
import { canonicalBytes, type JsonObject } from '../lib/json.ts';
import { modelPackage } from '../records/package.ts';
import { CONFIG_LAYER, release } from '../records/release.ts';
import { source } from '../records/source.ts';
import { type Commit, sourceOf } from '../source/commit.ts';
import { hasEnvironment, readEnvironment } from '../source/read-environment.ts';
import { readProject } from '../source/read-project.ts';
import { type Live, whatServes } from '../store/live.ts';
import { getServer } from '../store/programs.ts';
import { getRecord, layer, putRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { type Comparison, gateProblems, holdGates } from './gate.ts';
import { manifestLayers } from './kubernetes/manifests.ts';
import { type Notes, notesOf } from './notes.ts';
import { type Model, modelOf, type Parts, readParts } from './parts.ts';
import { problemsOf, unservable } from './problems.ts';
import { type Configuration, resolveConfig } from './resolve.ts';
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

/** What the package and the environment's configuration came to. */
export interface Released {
  readonly environment: string;
  readonly model: Model;
  readonly config: Configuration;
  readonly notes: Notes;
  readonly gates: readonly Comparison[];
  /** Undefined when a gate does not hold; nothing was written then. */
  readonly made: Parts | undefined;
  /** Whether the very same release was in the store already. */
  readonly unchanged: boolean;
  /** What serves in the environment, by the store's word; without `parts` when the store does not hold that release. */
  readonly live: { readonly serving: Live; readonly parts: Parts | undefined } | undefined;
}

/**
 * Binds a package to one environment's configuration, after all of it was checked.
 * @throws UserError with every mistake of the configuration
 */
export async function makeRelease(request: ReleaseRequest): Promise<Released> {
  const { commit, environment, vars, store } = request;
  const model = await modelOf(store, await getRecord(store, modelPackage, request.package));
  const { name, metrics: goals } = (await readProject(commit)).value;
  const serverDigest = serverOf(model, name);
  const file = await readEnvironment(commit, environment);
  const server = await getServer(store, serverDigest, `the server of package ${request.package}`);
  const schema = server.config.config && readConfigSchema(server.config.config);
  const config = resolveConfig(file, vars, schema);
  const problems = [
    ...problemsOf(file, config, schema),
    ...unservable(file, server.config),
    ...gateProblems(file, goals, (other) => hasEnvironment(commit, other)),
  ];
  if (problems.length > 0) throw userErrors('the configuration cannot be released', problems);

  const [serving] = await whatServes(store, { name, environment });
  const found = {
    environment,
    model,
    config,
    notes: notesOf(file, vars, config, schema),
    gates: await holdGates(file.value.metrics, goals, model, store),
    live: serving && { serving, parts: await readParts(store, serving.release) },
  };
  if (found.gates.some(({ holds }) => !holds)) return { ...found, made: undefined, unchanged: false };

  const values = Object.fromEntries([...config].map(([key, { value }]) => [key, value]));
  const made = { name, environment, server: serverDigest, config: values, ...settingsOf(file.value) };
  const { package: packaged } = model;
  const place = file.place;
  const manifests = await manifestLayers({ commit, config: made, server, package: packaged, store, place });
  const known = await store.children(packaged.digest);
  const blob = await store.write({ bytes: canonicalBytes(values) });
  const released = await putRecord(store, release, {
    config: made,
    layers: [layer(CONFIG_LAYER, blob, 'configuration.json'), ...manifests],
    subject: packaged,
  });
  await putRecord(store, source, { config: sourceOf(commit), layers: [], subject: released });
  return {
    ...found,
    made: { ...model, release: released, commits: [commit.id] },
    unchanged: known.includes(released.digest),
  };
}

function serverOf({ package: { digest }, facts }: Model, project: string): Digest {
  if (project !== facts.name)
    throw new UserError(`package ${digest} is of project ${facts.name}, and input project is ${project}`);
  if (facts.server === undefined)
    throw new UserError(
      `package ${digest} has no server, so there is nothing to run; declare server in trainyard.yml and package again`,
    );
  return facts.server;
}
