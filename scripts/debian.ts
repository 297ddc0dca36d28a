/**
 * What is linked to libraries of the system comes from the system: Debian's (Ubuntu's) packages, unpacked into the cache. Nothing is
 * installed and no rights are needed. apt verifies what it fetches by the digests of its signed lists; a digest of ours would fail
 * with the distribution's next update.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { aside, cacheFolder } from './tools.ts';

const execute = promisify(execFile);

/**
 * Gives a folder with packages unpacked, and those that they need and the machine lacks; made on the first call.
 *
 * @param name of the folder in the cache
 * @param finish completes the folder before it gets its name
 * @throws when there is no apt-get, or no such package
 */
export async function unpacked(
  name: string,
  packages: readonly string[],
  finish: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = join(cacheFolder(), 'tools', `${name}-${await systemName()}`);
  if (existsSync(folder)) return folder;
  await aside(folder, async (place) => {
    await unpack(place, packages);
    await finish(place);
  });
  return folder;
}

async function unpack(folder: string, packages: readonly string[]): Promise<void> {
  const lists = join(folder, 'apt', 'lists');
  const archives = join(folder, 'apt', 'archives');
  for (const needed of [lists, archives]) await mkdir(join(needed, 'partial'), { recursive: true });
  const options = {
    'Dir::State::Lists': lists,
    'Dir::Cache': join(folder, 'apt'),
    'Dir::Cache::archives': archives,
    // The system's own database is only read, by whoever we are.
    'Debug::NoLocking': '1',
    'APT::Sandbox::User': '',
  };
  const apt = [
    '--quiet=2',
    ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
  ];
  await execute('apt-get', [...apt, 'update']);
  const whatIsMissing = ['install', '--download-only', '--no-install-recommends', '--yes', ...packages];
  await execute('apt-get', [...apt, ...whatIsMissing]);
  const files = (await readdir(archives)).filter((file) => file.endsWith('.deb'));
  for (const file of files) await execute('dpkg-deb', ['--extract', join(archives, file), folder]);
  await rm(join(folder, 'apt'), { recursive: true });
}

/** The libraries that the packages lack are the system's, so another release of it needs other packages. */
async function systemName(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const value = (key: string): string => new RegExp(`^${key}="?([\\w.-]+)`, 'm').exec(text)?.[1] ?? 'unknown';
  return `${value('ID')}-${value('VERSION_ID')}-${process.arch}`;
}
