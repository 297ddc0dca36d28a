import { existsSync } from 'node:fs';
import { access, constants, cp, rename, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Environment, toolEnvironment } from '../lib/environment.ts';
import { UserError } from '../lib/errors.ts';
import { aside } from '../lib/files.ts';
import type { Log } from '../lib/log.ts';
import { run } from '../lib/process.ts';
import { UV_DIGESTS, UV_VERSION } from './uv-release.ts';

export interface UvPlace {
  readonly env: Environment;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Our folder for what is kept between runs; a runner has a tool cache of its own. */
  readonly cache: string;
  scratch(): Promise<string>;
}

/** Where installed tools are kept: the part of @actions/tool-cache that is used. */
interface ToolCache {
  find(tool: string, version: string): string;
  cacheDir(folder: string, tool: string, version: string): Promise<string>;
}

/**
 * The path of uv: the one on the PATH, else our pinned version out of the runner's tool cache, else that version's wheel,
 * verified by digest and taken from whatever package index this machine is set up for.
 * @throws UserError when the machine has neither uv nor python3 with pip
 */
export async function findUv(place: UvPlace): Promise<string> {
  const found = await onPath('uv', place.env.PATH ?? '');
  if (found !== undefined) return found;
  const cache =
    place.env.RUNNER_TOOL_CACHE === undefined
      ? cacheIn(join(place.cache, 'tools'))
      : await import('@actions/tool-cache');
  const kept = cache.find('uv', UV_VERSION);
  if (kept !== '') return join(kept, 'bin', 'uv');
  const folder = await install(place);
  await cache.cacheDir(folder, 'uv', UV_VERSION);
  // Not the kept one: another job may be replacing that by its own at this moment.
  return join(folder, 'bin', 'uv');
}

/** Outside a runner: a folder, filled by a rename. (@actions/tool-cache prints workflow commands, and stdout is for outputs there.) */
function cacheIn(root: string): ToolCache {
  const folderOf = (tool: string, version: string): string => join(root, `${tool}-${version}`);
  return {
    find: (tool, version) => (existsSync(folderOf(tool, version)) ? folderOf(tool, version) : ''),
    cacheDir: async (folder, tool, version) => {
      const kept = folderOf(tool, version);
      const copy = aside(kept);
      await cp(folder, copy, { recursive: true });
      await rename(copy, kept).catch(() => rm(copy, { recursive: true }));
      return kept;
    },
  };
}

async function install(place: UvPlace): Promise<string> {
  place.log.info(`uv is not on the PATH; installing its wheel ${UV_VERSION}`);
  const folder = await place.scratch();
  const requirements = join(await place.scratch(), 'uv.txt');
  const hashes = UV_DIGESTS.map((digest) => `--hash=sha256:${digest}`).join(' ');
  await writeFile(requirements, `uv==${UV_VERSION} ${hashes}\n`);
  const strict = ['--require-hashes', '--no-deps', '--only-binary', ':all:', '--no-compile'];
  const quiet = ['--quiet', '--disable-pip-version-check', '--root-user-action', 'ignore'];
  const pip = [
    'python3',
    '-m',
    'pip',
    'install',
    ...strict,
    ...quiet,
    '--target',
    folder,
    '-r',
    requirements,
  ];
  const { env, signal } = place;
  await run(pip, { env: toolEnvironment(env), signal }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw new UserError(
      `uv is not on the PATH and its wheel cannot be installed; install uv, or python3 with pip and a reachable package index`,
      { cause },
    );
  });
  return folder;
}

async function onPath(name: string, path: string): Promise<string | undefined> {
  for (const folder of path.split(delimiter).filter(Boolean)) {
    const file = join(folder, name);
    if (
      await access(file, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return file;
  }
  return undefined;
}
