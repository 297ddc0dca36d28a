import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder, tool } from './tools.ts';

const example = join(import.meta.dirname, '..', 'examples', 'digits');

/**
 * Gives a folder with the data of `examples/digits`, as a team's data would lie on a runner's machine: its TRAINYARD_DATA.
 * Written by the example's own script on the first call, and kept.
 *
 * @throws when uv cannot install what the script imports
 */
export async function exampleData(): Promise<string> {
  const yaml = await readFile(join(example, 'trainyard.yml'), 'utf8');
  const digest = /sha256:([0-9a-f]{12})/.exec(yaml)?.[1] ?? 'unknown';
  const folder = join(cacheFolder(), `digits-${digest}`);
  if (existsSync(folder)) return folder;
  const uv = await tool('uv');
  const aside = await mkdtemp(`${folder}.`);
  const needs = ['--no-project', '--with-requirements', join(example, 'requirements.txt')];
  await promisify(execFile)(uv, ['run', '--quiet', ...needs, 'python', join(example, 'make_data.py'), aside]);
  // Another process may have been faster; its folder is as good as ours.
  await rename(aside, folder).catch(() => rm(aside, { recursive: true }));
  return folder;
}
