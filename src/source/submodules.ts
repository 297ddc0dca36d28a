import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import { run } from '../lib/process.ts';
import type { CommitFile } from './commit-file.ts';
import { gitIn, sharedDirectory } from './git.ts';

/** A repository, by its git directory and the top of its work tree. */
export interface Place {
  readonly directory: string;
  readonly top: string;
}

/**
 * All files of a commit, those of its submodules under their paths in it, at the commits that it names. A submodule
 * whose commit is not on this machine stays one entry of mode 160000.
 */
export async function listFiles(place: Place, commit: string): Promise<CommitFile[]> {
  const list = (await gitIn(place.directory, ['ls-tree', '-r', '-z', '--full-tree', commit])).toString();
  const entries = list
    .split('\0')
    .filter(Boolean)
    .map((entry) => parseEntry(entry, place.directory));
  if (!entries.some(isSubmodule)) return entries;
  const names = await namesOf(place.directory, commit);
  const files: CommitFile[] = [];
  for (const entry of entries) {
    const inside = isSubmodule(entry) ? await findSubmodule(place, entry, names.get(entry.path)) : undefined;
    if (inside === undefined) files.push(entry);
    else
      for (const file of await listFiles(inside, entry.object))
        files.push({ ...file, path: posix.join(entry.path, file.path) });
  }
  return files;
}

function isSubmodule({ mode }: CommitFile): boolean {
  return mode === '160000';
}

function parseEntry(entry: string, directory: string): CommitFile {
  const tab = entry.indexOf('\t');
  const [mode = '', , object = ''] = entry.slice(0, tab).split(' ');
  return { path: entry.slice(tab + 1), mode, object, directory };
}

/** The names of submodules by their paths (gitmodules). */
async function namesOf(directory: string, commit: string): Promise<Map<string, string>> {
  const paths = [
    'config',
    '-z',
    '--blob',
    `${commit}:.gitmodules`,
    '--get-regexp',
    '^submodule\\..*\\.path$',
  ];
  const lines = (await gitIn(directory, paths).catch(() => '')).toString().split('\0');
  return new Map(
    lines.filter(Boolean).map((line) => {
      const [, name = '', path = ''] = /^submodule\.(.*)\.path\n(.*)$/s.exec(line) ?? [];
      return [path, name];
    }),
  );
}

/** Where the objects of a submodule lie: in its own place of the work tree, or where git keeps them for all. */
async function findSubmodule(
  { directory, top }: Place,
  { path, object }: CommitFile,
  name: string | undefined,
): Promise<Place | undefined> {
  const own = join(top, path);
  const candidates: string[] = [];
  if (existsSync(join(own, '.git'))) candidates.push(...(await gitDirectoryOf(own)));
  // The name comes from the commit, and git itself takes none that leads elsewhere.
  if (name !== undefined && !name.split(/[/\\]/).includes('..'))
    for (const parent of new Set([directory, await sharedDirectory(directory)]))
      candidates.push(join(parent, 'modules', name));
  for (const candidate of candidates)
    if (existsSync(candidate) && (await holds(candidate, object))) return { directory: candidate, top: own };
  return undefined;
}

async function gitDirectoryOf(folder: string): Promise<string[]> {
  const found = await run(['git', '-C', folder, 'rev-parse', '--absolute-git-dir']).catch(() => undefined);
  return found === undefined ? [] : [found.stdout.toString().trimEnd()];
}

async function holds(directory: string, commit: string): Promise<boolean> {
  return gitIn(directory, ['cat-file', '-e', `${commit}^{commit}`]).then(
    () => true,
    () => false,
  );
}
