import type { JsonObject } from '../lib/json.ts';
import type { Stored } from '../records/kind.ts';
import { program, type ServerConfig, SOURCE_LAYER, type TrainerConfig } from '../records/program.ts';
import { type RunConfig, run, trainingName } from '../records/run.ts';
import { source } from '../records/source.ts';
import { type ResolvedTraining, trainingOf } from '../records/training.ts';
import { type Commit, sourceOf } from '../source/commit.ts';
import type { Project } from '../source/project.ts';
import { readProject } from '../source/read-project.ts';
import { findRecord, layer, putRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { packArchive } from './archive.ts';
import { type Changes, changesSinceLast } from './changes.ts';
import { packEnvironment } from './lock.ts';
import { readConfigSchema, readParams } from './settings.ts';
import { type Selected, selectSources } from './sources.ts';

export interface BuildRequest {
  readonly commit: Commit;
  /** Overrides of the declared parameters. */
  readonly params: JsonObject;
  /** Where the programs go. */
  readonly handoff: Store;
  /** Where finished Runs are looked for. */
  readonly store: Store;
}

export interface Built {
  readonly project: Project;
  readonly trainer: Stored<TrainerConfig>;
  readonly server: Stored<ServerConfig> | undefined;
  readonly training: ResolvedTraining;
  /** A finished Run of this training id in the store: nothing needs to be trained. */
  readonly run: Stored<RunConfig> | undefined;
  /** Otherwise, what makes this training differ from the last one; undefined when there is none in the store. */
  readonly changes: Changes | undefined;
}

/** Makes the trainer and the server of a commit, without running any code of the user's. */
export async function build({ commit, params, handoff, store }: BuildRequest): Promise<Built> {
  const file = await readProject(commit);
  const selected = selectSources(commit, file);
  const trainer = await packTrainer(handoff, commit, file.value, selected.trainer);
  const training = trainingOf(trainer, params, 'input params');
  const server = selected.server && (await packServer(handoff, commit, file.value, selected.server));
  for (const built of server === undefined ? [trainer] : [trainer, server]) {
    await putRecord(handoff, source, { config: sourceOf(commit), layers: [], subject: built });
  }
  const finished = await findFinished(store, training);
  const changes = finished === undefined ? await changesSinceLast(store, trainer, training) : undefined;
  return { project: file.value, trainer, server, training, run: finished, changes };
}

async function packTrainer(
  to: Store,
  commit: Commit,
  project: Project,
  selected: Selected<'trainer'>,
): Promise<Stored<TrainerConfig>> {
  const { part } = selected;
  const { layers, ...common } = await packProgram(to, commit, selected);
  const config: TrainerConfig = {
    role: 'trainer',
    name: project.name,
    ...common,
    params: await readParams(commit, part.params),
    data: part.data,
    env: part.env,
    resources: Object.fromEntries(
      Object.entries(part.resources).filter((entry): entry is [string, number] => entry[1] !== undefined),
    ),
    ...(part.timeout !== undefined && { timeoutSeconds: part.timeout }),
  };
  return { ...(await putRecord(to, program, { config, layers })), config };
}

async function packServer(
  to: Store,
  commit: Commit,
  project: Project,
  selected: Selected<'server'>,
): Promise<Stored<ServerConfig>> {
  const { part } = selected;
  const { layers, ...common } = await packProgram(to, commit, selected);
  const schema = part.config === undefined ? undefined : await readConfigSchema(commit, part.config);
  const config: ServerConfig = {
    role: 'server',
    name: project.name,
    ...common,
    ready: part.ready,
    readyTimeoutSeconds: part['ready-timeout'],
    tolerance: part.tolerance,
    ...(part.golden !== undefined && { golden: part.golden }),
    ...(schema !== undefined && { config: schema }),
  };
  return { ...(await putRecord(to, program, { config, layers })), config };
}

/** What trainer and server have in common: source archive, lock and command. */
async function packProgram(to: Store, commit: Commit, { part, files }: Selected<'trainer' | 'server'>) {
  const { environment, layers } = await packEnvironment(to, commit, part);
  const { tar, directory } = await packArchive(commit, files);
  const archive = layer(SOURCE_LAYER, await to.write({ stream: tar }), 'source.tar');
  return { directory, command: part.command, environment, layers: [archive, ...layers] };
}

async function findFinished(
  store: Store,
  { trainingId }: ResolvedTraining,
): Promise<Stored<RunConfig> | undefined> {
  const name = trainingName(trainingId);
  const digest = (await store.names(name)).get(name);
  return digest && findRecord(store, run, digest);
}
