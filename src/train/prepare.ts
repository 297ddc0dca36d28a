import { join } from 'node:path';
import type { JsonObject } from '../lib/json.ts';
import { activated, ensureEnvironment } from '../lib/python.ts';
import type { Stored } from '../records/kind.ts';
import type { TrainerConfig } from '../records/program.ts';
import type { ResolvedTraining } from '../records/training.ts';
import { readLock } from '../store/lock.ts';
import { unpackSource } from '../store/source.ts';
import { commandOf, refuseReserved, variablesOf } from './contract.ts';
import { openData } from './data.ts';
import type { TrainDeps } from './request.ts';
import type { Workspace } from './workspace.ts';

/** All that it takes to start the program. */
export interface Prepared {
  readonly command: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
  readonly params: JsonObject;
  /** Python's version. */
  readonly python: string;
  /** Lets go of the data, after the program's end. */
  release(): Promise<void>;
}

/** Command, source, data and environment; what is found wrong at once comes before what takes time. */
export async function prepare(
  { config, manifest }: Stored<TrainerConfig>,
  { params }: ResolvedTraining,
  workspace: Workspace,
  deps: TrainDeps,
): Promise<Prepared> {
  const { handoff, log, signal, env } = deps;
  refuseReserved(config.env);
  const lock = await readLock(handoff, config.environment);
  for (const name of config.env.filter((declared) => env[declared] === undefined))
    log.warning(`trainer.env names ${name}, which is not set on this machine`);
  await unpackSource(handoff, manifest, workspace.source);
  const data = await log.group('Fetch and verify the data', () =>
    openData(config.data, join(workspace.source, config.directory), deps),
  );
  try {
    const command = commandOf(config, params, data.paths, workspace);
    const variables = variablesOf(config, data.paths, workspace, env);
    const python = await log.group('Prepare the environment', () =>
      ensureEnvironment(lock, { folder: deps.environments, env, log, signal, uv: deps.uv }),
    );
    signal.throwIfAborted();
    const { release } = data;
    return { command, variables: activated(variables, python), params, python: python.python, release };
  } catch (error) {
    await data.release();
    throw error;
  }
}
