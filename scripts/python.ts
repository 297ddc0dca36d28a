/** Python packages that tests start, set up on first use by uv from files whose every package has its digest. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { aside, cacheFolder, tool } from './tools.ts';

const execute = promisify(execFile);

/**
 * Gives the Python of an environment, installing it on the first call.
 *
 * @param name of `requirements/NAME.txt`, which `uv pip compile --universal --generate-hashes NAME.in` makes
 * @returns the absolute path of its `python`, in a folder that carries the digest of that file
 * @throws when Python is missing, or a package has another digest
 */
export async function pythonOf(name: string): Promise<string> {
  const file = join(import.meta.dirname, 'requirements', `${name}.txt`);
  const digest = createHash('sha256')
    .update(await readFile(file))
    .digest('hex');
  const folder = join(cacheFolder(), 'tools', `${name}-${digest.slice(0, 12)}`);
  const python = join(folder, 'bin', 'python');
  if (!existsSync(python)) await aside(folder, (place) => install(file, place));
  return python;
}

async function install(file: string, place: string): Promise<void> {
  const uv = await tool('uv');
  await execute(uv, ['venv', '--quiet', '--relocatable', '--allow-existing', '--python', 'python3', place]);
  const strict = ['--require-hashes', '--no-deps', '--only-binary', ':all:'];
  const python = join(place, 'bin', 'python');
  await execute(uv, ['pip', 'install', '--quiet', '--python', python, ...strict, '-r', file]);
}
