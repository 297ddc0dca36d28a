import type { Readable } from 'node:stream';
import type { Hub } from '../data/hub.ts';
import { resolveParams } from '../records/params.ts';
import type { ServerConfig, TrainerConfig } from '../records/program.ts';
import type { Commit } from '../source/commit.ts';
import type { Project } from '../source/project.ts';
import type { YamlFile } from '../source/yaml.ts';
import { packArchive } from './archive.ts';
import { pinData } from './data.ts';
import { checkLauncher, checkpointsOf, launcherOf } from './launching.ts';
import { type LockFile, readEnvironment } from './lock.ts';
import { checkPlaceholders } from './placeholders.ts';
import { readConfigSchema, readParams } from './settings.ts';
import type { Selected } from './sources.ts';

/** A program, read from the commit and checked; nothing of it is written yet. */
export interface Prepared<C> {
  readonly config: C;
  readonly archive: Readable;
  readonly locks: readonly LockFile[];
}

/** Reads the trainer of a commit. @throws UserError for a file or a value that cannot be used */
export async function prepareTrainer(
  commit: Commit,
  file: YamlFile<Project>,
  selected: Selected<'trainer'>,
  hub: () => Promise<Hub>,
): Promise<Prepared<TrainerConfig>> {
  const { part } = selected;
  const { environment, locks } = await readEnvironment(commit, part.python);
  const { common, archive } = await prepareCommon(commit, file, selected);
  const params = await readParams(commit, file);
  resolveParams(params, part.smoke?.params ?? {}, file.place(['trainer', 'smoke', 'params']));
  const config: TrainerConfig = {
    role: 'trainer',
    ...common,
    environment,
    params,
    data: await pinData(commit, file, hub),
    env: part.env,
    resources: Object.fromEntries(
      Object.entries(part.resources).filter((entry): entry is [string, number] => entry[1] !== undefined),
    ),
    ...(part.timeout !== undefined && { timeoutSeconds: part.timeout }),
    ...(part.silence !== undefined && { silenceSeconds: part.silence }),
    finite: part.finite,
    launcher: launcherOf(part.launcher),
    checkpoints: checkpointsOf(file.value),
    ...(part.smoke !== undefined && { smoke: part.smoke }),
  };
  checkPlaceholders(config, file.place(['trainer', 'command']));
  checkLauncher(config, file.place(['trainer', 'command']));
  return { config, archive, locks };
}

/** Reads the server of a commit. @throws UserError for a file or a value that cannot be used */
export async function prepareServer(
  commit: Commit,
  file: YamlFile<Project>,
  selected: Selected<'server'>,
): Promise<Prepared<ServerConfig>> {
  const { part } = selected;
  const python = part.python && (await readEnvironment(commit, part.python));
  const { common, archive } = await prepareCommon(commit, file, selected);
  const schema = await readConfigSchema(commit, file);
  const config: ServerConfig = {
    role: 'server',
    ...common,
    ...(python !== undefined && { environment: python.environment }),
    ...(part.image !== undefined && { image: part.image }),
    ready: part.ready,
    readyTimeoutSeconds: part['ready-timeout'],
    tolerance: part.tolerance,
    ...(part.golden !== undefined && { golden: part.golden }),
    ...(schema !== undefined && { config: schema }),
  };
  checkPlaceholders(config, file.place(['server', 'command']));
  return { config, archive, locks: python?.locks ?? [] };
}

async function prepareCommon(
  commit: Commit,
  { value }: YamlFile<Project>,
  { part, files }: Selected<'trainer' | 'server'>,
) {
  const { tar, directory } = await packArchive(commit, files);
  return { common: { name: value.name, directory, command: part.command }, archive: tar };
}
