import type { Hub } from '../data/hub.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Stored } from '../records/kind.ts';
import { resolveParams } from '../records/params.ts';
import {
  LOCK_LAYER,
  type ProgramConfig,
  program,
  type ServerConfig,
  SOURCE_LAYER,
  type TrainerConfig,
} from '../records/program.ts';
import { type RunConfig, run, trainingName } from '../records/run.ts';
import { source } from '../records/source.ts';
import { type ResolvedTraining, trainingOf } from '../records/training.ts';
import { type Commit, sourceOf } from '../source/commit.ts';
import type { Project } from '../source/project.ts';
import { readProject } from '../source/read-project.ts';
import { findRecord, layer, putRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { type Changes, changesSinceLast } from './changes.ts';
import { type Prepared, prepareServer, prepareTrainer } from './prepare.ts';
import { selectSources } from './sources.ts';

export interface BuildRequest {
  readonly commit: Commit;
  /** Overrides of the declared parameters. */
  readonly params: JsonObject;
  /** Where the programs go. */
  readonly handoff: Store;
  /** Where finished Runs are looked for. */
  readonly store: Store;
  /** Opens the Hugging Face Hub, for a project with data there. */
  readonly hub: () => Promise<Hub>;
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

const PARAMS = 'input params';

/** Makes the trainer and the server of a commit, without running any code of the user's. All is checked before anything is written. */
export async function build({ commit, params, handoff, store, hub }: BuildRequest): Promise<Built> {
  const file = await readProject(commit);
  const selected = selectSources(commit, file);
  const preparedTrainer = await prepareTrainer(commit, file, selected.trainer, hub);
  const preparedServer = selected.server && (await prepareServer(commit, file, selected.server));
  resolveParams(preparedTrainer.config.params, params, PARAMS);

  const trainer = await putProgram(handoff, commit, preparedTrainer);
  const server = preparedServer && (await putProgram(handoff, commit, preparedServer));
  const training = trainingOf(trainer, params, PARAMS);
  const finished = await findFinished(store, training);
  const changes =
    finished === undefined ? await changesSinceLast(store, handoff, trainer, training) : undefined;
  return { project: file.value, trainer, server, training, run: finished, changes };
}

/** Writes a program, and the commit that it came from beside it. */
async function putProgram<C extends ProgramConfig>(
  to: Store,
  commit: Commit,
  { config, archive, locks }: Prepared<C>,
): Promise<Stored<C>> {
  const layers = [layer(SOURCE_LAYER, await to.write({ stream: archive }), 'source.tar')];
  for (const { name, bytes } of locks) layers.push(layer(LOCK_LAYER, await to.write({ bytes }), name));
  const stored = await putRecord<ProgramConfig>(to, program, { config, layers });
  await putRecord(to, source, { config: sourceOf(commit), layers: [], subject: stored });
  return { ...stored, config };
}

async function findFinished(
  store: Store,
  { trainingId }: ResolvedTraining,
): Promise<Stored<RunConfig> | undefined> {
  const digest = await store.resolve(trainingName(trainingId));
  const found = digest && (await findRecord(store, run, digest));
  // A name is no proof: whoever may write the store may move it.
  return found?.config.state === 'succeeded' && found.config.trainingId === trainingId ? found : undefined;
}
