import { isAbsolute, relative, resolve } from 'node:path';
import { DataCache, type DataInUse } from '../data/cache.ts';
import { openSource } from '../data/open.ts';
import { codeOf, messageOf, userErrors } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { digestOfTree } from '../lib/tree.ts';
import type { DataReference, TrainerConfig } from '../records/program.ts';
import type { TrainDeps } from './request.ts';

/** Between two lines that tell how far the reading of large data is. */
const PROGRESS_MS = 5000;

/** The data sets of a training, each where the program may read it, until they are released. */
export interface OpenData {
  readonly paths: ReadonlyMap<string, string>;
  release(): Promise<void>;
}

/**
 * Finds, fetches and proves every data set. What lies on this machine comes first, because nothing has to be fetched to say
 * that it is not right.
 * @param directory the project's folder, in which its commands run
 * @throws UserError naming every data set of this machine that cannot be used, or the first one of another place
 */
export async function openData(
  declared: TrainerConfig['data'],
  directory: string,
  deps: TrainDeps,
): Promise<OpenData> {
  const { log, signal, data: place } = deps;
  const here = locateData(declared, deps.dataFolder);
  await verifyData(declared, here, deps);
  const cache = new DataCache({ folder: place.cache, limit: place.limit, log }, signal);
  const used: (readonly [string, DataInUse])[] = [];
  const release = async (): Promise<void> => {
    for (const [, one] of used) await one.release();
  };
  try {
    for (const [name, reference] of Object.entries(declared)) {
      const source = await openSource(name, reference, { ...deps, ...place, directory });
      if (source !== undefined) used.push([name, await cache.use(name, source)]);
    }
  } catch (error) {
    await release();
    throw error;
  }
  return { paths: new Map([...here, ...used.map(([name, { path }]) => [name, path] as const)]), release };
}

/**
 * Says where the data sets lie that are meant to be on this machine.
 * @param folder the machine's TRAINYARD_DATA folder, which relative paths lie in
 * @throws UserError when a relative path has no folder, or leads out of it
 */
function locateData(
  declared: TrainerConfig['data'],
  folder: string | undefined,
): ReadonlyMap<string, string> {
  const problems: string[] = [];
  const isHere = (
    entry: [string, DataReference],
  ): entry is [string, Extract<DataReference, { path: string }>] => 'path' in entry[1];
  const paths = Object.entries(declared)
    .filter(isHere)
    .map(([name, { path }]) => {
      const place = resolve(folder ?? '', path);
      if (!isAbsolute(path)) {
        if (folder === undefined) {
          problems.push(
            `${name}: its path ${path} is relative to the machine's data folder, and TRAINYARD_DATA is not set here; set it to that folder (on a runner: in the file .env of the runner's own folder)`,
          );
        } else if (relative(folder, place).split('/')[0] === '..') {
          problems.push(`${name}: its path ${path} leads out of the data folder ${folder}`);
        }
      }
      return [name, place] as const;
    });
  if (problems.length > 0) throw userErrors('the data cannot be found', problems);
  return new Map(paths);
}

/**
 * Reads every data set that has changed since it was last read, to prove that all are what the trainer was built for.
 * @param paths where each lies
 * @throws UserError naming every one that is missing or differs, with the digest that was found
 */
async function verifyData(
  declared: TrainerConfig['data'],
  paths: ReadonlyMap<string, string>,
  { log, signal, digests }: TrainDeps,
): Promise<void> {
  const problems: string[] = [];
  for (const [name, path] of paths) {
    try {
      const found = await digestOfTree(path, progress(name, log, signal), digests);
      const expected = declared[name]?.digest;
      if (found.digest === expected) log.info(`data ${name}: ${found.size} bytes verified`);
      else {
        problems.push(
          `${name}: ${path} is not what trainyard.yml says: its digest is ${found.digest}, expected was ${expected}. If it is the right data, write digest: "${found.digest}" under trainer.data.${name}, and commit`,
        );
      }
    } catch (error) {
      signal.throwIfAborted();
      problems.push(`${name}: ${whyUnreadable(path, name, error)}`);
    }
  }
  if (problems.length > 0) throw userErrors('the data cannot be used', problems);
}

function whyUnreadable(path: string, name: string, error: unknown): string {
  switch (codeOf(error)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return `${path} is not on this machine; put it there, or correct trainer.data.${name}.path`;
    case 'EACCES':
      return `${path} cannot be read by the user that the runner runs as (${messageOf(error)})`;
    default:
      return messageOf(error);
  }
}

function progress(name: string, log: Log, signal: AbortSignal): (count: number, total: number) => void {
  let done = 0;
  let next = Date.now() + PROGRESS_MS;
  return (count, total) => {
    signal.throwIfAborted();
    done += count;
    if (Date.now() < next) return;
    next = Date.now() + PROGRESS_MS;
    log.info(`data ${name}: ${Math.floor((100 * done) / total)} % of ${total} bytes read`);
  };
}
