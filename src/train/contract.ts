import { pathToFileURL } from 'node:url';
import { type Environment, isReserved, programEnvironment } from '../lib/environment.ts';
import { UserError } from '../lib/errors.ts';
import { expand } from '../lib/expand.ts';
import type { Json, JsonObject } from '../lib/json.ts';
import type { TrainerConfig } from '../records/program.ts';
import type { Workspace } from './workspace.ts';

/**
 * The program's command, `${…}` expanded. `${params}` becomes one argument `--name=value` for each parameter.
 * @param data the path of every data set, by name
 * @throws UserError for an unknown `${name}`
 */
export function commandOf(
  config: TrainerConfig,
  params: JsonObject,
  data: ReadonlyMap<string, string>,
  { output, checkpoints }: Workspace,
): string[] {
  const given = Object.entries(params).map(([name, value]) => [name, textOf(value)] as const);
  const values = {
    params: given.map(([name, text]) => `--${name}=${text}`),
    ...Object.fromEntries(given.map(([name, text]) => [`params.${name}`, text])),
    ...Object.fromEntries([...data].map(([name, path]) => [`data.${name}`, path])),
    output,
    checkpoints,
  };
  return expand(config.command, values, 'trainer.command');
}

/**
 * The program's whole environment, but for its Python: what it may see of the machine, and where its files are.
 * @param machine this machine's variables
 */
export function variablesOf(
  config: Pick<TrainerConfig, 'env'>,
  data: ReadonlyMap<string, string>,
  workspace: Workspace,
  machine: Environment,
): Record<string, string> {
  const own = programEnvironment(machine, config.env);
  return {
    ...own,
    ...('MLFLOW_TRACKING_URI' in own ? {} : mlflowVariables(workspace)),
    // Else Python keeps its lines back while its output is not a terminal.
    PYTHONUNBUFFERED: '1',
    TRAINYARD_PARAMS_FILE: workspace.params,
    TRAINYARD_OUTPUT_DIR: workspace.output,
    TRAINYARD_METRICS_FILE: workspace.metrics,
    TRAINYARD_CHECKPOINT_DIR: workspace.checkpoints,
    ...Object.fromEntries([...data].map(([name, path]) => [dataVariable(name), path])),
  };
}

/** MLflow's newer versions refuse a folder unless they are told that it is meant. */
function mlflowVariables({ mlflow }: Workspace): Record<string, string> {
  return { MLFLOW_TRACKING_URI: pathToFileURL(mlflow).href, MLFLOW_ALLOW_FILE_STORE: 'true' };
}

/** @throws UserError for a declared variable that belongs to the job */
export function refuseReserved(declared: readonly string[]): void {
  const reserved = declared.filter(isReserved);
  if (reserved.length === 0) return;
  throw new UserError(
    `trainer.env names ${reserved.join(', ')}, and variables of the job never reach the training program; take them out`,
  );
}

function dataVariable(name: string): string {
  return `TRAINYARD_DATA_${name.toUpperCase().replace(/[^A-Z0-9]/g, '_')}`;
}

/** A text as it is, anything else as JSON: `0.1`, `true`, `[1,2]`. */
function textOf(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
