import { isAbsolute, join, resolve } from 'node:path';
import { readIfThere } from '../lib/files.ts';
import { run } from '../lib/process.ts';

/**
 * Runs git on a git directory, by its objects alone: a submodule's own configuration names a work tree, which need not be
 * there. @throws CommandError
 */
export async function gitIn(
  directory: string,
  args: readonly string[],
  options: { input?: string; maxOutput?: number } = {},
): Promise<Buffer> {
  return (await run(['git', `--git-dir=${directory}`, `--work-tree=${directory}`, ...args], options)).stdout;
}

/** What all work trees of a repository share, from the git directory of one of them (gitrepository-layout, commondir). */
export async function sharedDirectory(directory: string): Promise<string> {
  const shared = (await readIfThere(join(directory, 'commondir')))?.trim();
  return shared === undefined ? directory : resolve(directory, shared);
}

/** Where Git LFS keeps objects of a repository: in `lfs` of what its work trees share, unless `lfs.storage` says otherwise. */
export async function lfsObjects(directory: string): Promise<string> {
  const configured = await gitIn(directory, ['config', '--type=path', '--get', 'lfs.storage']).catch(
    () => '',
  );
  const storage = configured.toString().trim() || 'lfs';
  return join(isAbsolute(storage) ? storage : join(await sharedDirectory(directory), storage), 'objects');
}
