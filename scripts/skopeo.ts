/**
 * skopeo is linked to C libraries of the system, so it comes from the system: the one on PATH, or Debian's (Ubuntu's) packages
 * unpacked into the cache. Nothing is installed and no rights are needed. apt verifies what it fetches by the digests of its
 * signed lists; a digest of ours would fail with the distribution's next update.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { aside, cacheFolder } from './tools.ts';

const execute = promisify(execFile);

/** Starts the unpacked binary with the unpacked libraries, wherever the folder lies. */
const STARTER = `#!/bin/sh
root=$(dirname "$0")/..
for folder in "$root"/usr/lib/*-linux-gnu "$root"/lib/*-linux-gnu; do libraries=$folder:$libraries; done
LD_LIBRARY_PATH=$libraries exec "$root/usr/bin/skopeo" "$@"
`;

/**
 * Gives the path of skopeo, fetching it on the first call where the machine has none.
 *
 * @throws when there is neither skopeo nor apt-get, or no package of it
 */
export async function skopeo(): Promise<string> {
  const own = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'skopeo'));
  const installed = own.find((path) => existsSync(path));
  if (installed !== undefined) return installed;
  const folder = join(cacheFolder(), 'tools', `skopeo-${await systemName()}`);
  const starter = join(folder, 'bin', 'skopeo');
  if (!existsSync(starter)) await aside(folder, unpack);
  return starter;
}

async function unpack(folder: string): Promise<void> {
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
  const whatIsMissing = ['install', '--download-only', '--no-install-recommends', '--yes', 'skopeo'];
  await execute('apt-get', [...apt, ...whatIsMissing]);
  const packages = (await readdir(archives)).filter((file) => file.endsWith('.deb'));
  for (const file of packages) await execute('dpkg-deb', ['--extract', join(archives, file), folder]);
  await rm(join(folder, 'apt'), { recursive: true });
  await mkdir(join(folder, 'bin'), { recursive: true });
  await writeFile(join(folder, 'bin', 'skopeo'), STARTER, { mode: 0o755 });
}

/** The libraries that the packages lack are the system's, so another release of it needs other packages. */
async function systemName(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const value = (key: string): string => new RegExp(`^${key}="?([\\w.-]+)`, 'm').exec(text)?.[1] ?? 'unknown';
  return `${value('ID')}-${value('VERSION_ID')}-${process.arch}`;
}
