/** The repositories that act works with: a moved copy of this one, and a user's own. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { forAct } from './act-rewrite.ts';

const root = join(import.meta.dirname, '..', '..');

/** Changes the text of a workflow before act sees it; `file` is its name, for example `train.yml`. */
export type Edit = (text: string, file: string) => string;

/** What the actions and workflows need when they run; a user gets more, so what works with this works there. */
const LIBRARY_FILES = ['action.yml', 'actions', 'dist', 'package.json', 'schema'];
const LIBRARY_WORKFLOWS = ['train.yml', 'pipeline.yml'];

/**
 * Copies this library to another place, so that no test passes on files that only a checkout has.
 *
 * @param place the folder to make; it becomes a git repository with one commit
 * @param edit a further change of the workflows, after what act does not know is rewritten
 */
export async function moveLibrary(place: string, edit: Edit = (text) => text): Promise<string> {
  const listed = await git(
    root,
    'ls-files',
    '-z',
    '--cached',
    '--others',
    '--exclude-standard',
    ...LIBRARY_FILES,
  );
  const files = listed.split('\0').filter((file) => file !== '' && existsSync(join(root, file)));
  for (const file of files) await cp(join(root, file), join(place, file));
  const folder = join('.github', 'workflows');
  await mkdir(join(place, folder), { recursive: true });
  for (const name of LIBRARY_WORKFLOWS) {
    const text = await readFile(join(root, folder, name), 'utf8');
    await writeFile(join(place, folder, name), edit(forAct(text), name));
  }
  await git(place, 'init', '--quiet', '--initial-branch=v1');
  await commit(place, 'The library, moved');
  return place;
}

/** A user's repository: where each project's folder comes from and lies, and which of our templates it uses. */
export interface UserRepository {
  /** The folder to make. */
  readonly place: string;
  /** Folders to copy, by where they go; `.` is the repository's root. */
  readonly projects: Readonly<Record<string, string>>;
  /** Templates to copy, by the name that they get; the values are names in `workflows/`. */
  readonly templates: Readonly<Record<string, string>>;
  /** What a user would change in a template; `file` is the name that it got. */
  readonly edit?: Edit;
}

/** Makes a user's repository, `acme/models` on GitHub, with one commit on `main`. */
export async function makeUserRepository({
  place,
  projects,
  templates,
  edit,
}: UserRepository): Promise<string> {
  for (const [to, from] of Object.entries(projects)) await cp(from, join(place, to), { recursive: true });
  for (const [file, template] of Object.entries(templates)) {
    const text = forAct(await readFile(join(root, 'workflows', template), 'utf8'));
    const target = join(place, '.github', 'workflows', file);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, edit?.(text, file) ?? text);
  }
  await git(place, 'init', '--quiet', '--initial-branch=main');
  // act reads owner and name from it and never asks it.
  await git(place, 'remote', 'add', 'origin', 'https://github.com/acme/models');
  await commit(place, 'First commit');
  return place;
}

/** Commits all that lies in a repository and gives the commit's id. */
export async function commit(place: string, message: string): Promise<string> {
  await git(place, 'add', '--all');
  await git(
    place,
    '-c',
    'user.name=Ada',
    '-c',
    'user.email=ada@example.com',
    'commit',
    '--quiet',
    '-m',
    message,
  );
  return (await git(place, 'rev-parse', 'HEAD')).trim();
}

async function git(cwd: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null', GIT_CONFIG_NOSYSTEM: '1' };
  const { stdout } = await promisify(execFile)('git', args, { cwd, env, maxBuffer: 1 << 26 });
  return stdout;
}
