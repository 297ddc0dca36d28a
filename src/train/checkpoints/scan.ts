import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../lib/errors.ts';
import { type FileState, keyOf } from '../../lib/file-state.ts';
import { listTree, type TreeFile } from '../../lib/tree.ts';

/** Names under which programs write what is not whole yet. */
const UNFINISHED = /^[._~]|^tmp|[._-](tmp|temp|part|partial|incomplete|unfinished|lock|swp)(-\d+)?$|~$/i;
/** The same of files in a folder, where hidden ones may be whole. */
const UNFINISHED_FILE = /\.(tmp|temp|part|partial|incomplete|unfinished)$/i;
/** Hugging Face writes this file last, and torch's distributed checkpoints this one. */
const STATE = 'trainer_state.json';
const METADATA = '.metadata';

/** Something in the folder of checkpoints that can become a durable one. */
export interface Entry {
  readonly name: string;
  readonly form: 'file' | 'folder';
  /** Paths in the entry; of a file, its name. */
  readonly files: readonly TreeFile[];
  /** Changes when one of its files does. */
  readonly key: string;
  /** When its newest file was written, in nanoseconds since 1970. */
  readonly writtenNs: bigint;
  /**
   * `complete`: renamed into its place; `signed`: its framework's last file is there, and may be on its way while the program runs;
   * `unfinished`: such a sign is missing; `unknown`: nothing says, only that nobody writes to it any more.
   */
  readonly sign: 'complete' | 'signed' | 'unfinished' | 'unknown';
  /** Why it cannot be taken, such as a link in it. */
  readonly problem: string | undefined;
}

/** All entries of a program's checkpoint folder but those with the name of something unfinished, the newest first. */
export async function scan(folder: string): Promise<Entry[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return [];
    throw error;
  });
  const entries = await Promise.all(
    names.filter((name) => !UNFINISHED.test(name)).map((name) => look(folder, name)),
  );
  return entries.filter((entry) => entry !== undefined).sort(newestFirst);
}

/** Times come in steps of some milliseconds; of two within one step the later has the larger number in its name. */
export function newestFirst(a: Entry, b: Entry): number {
  if (a.writtenNs !== b.writtenNs) return a.writtenNs > b.writtenNs ? -1 : 1;
  return b.name.localeCompare(a.name, 'en', { numeric: true });
}

/** One entry; one that vanishes meanwhile, as rotated checkpoints do, is not there. */
export async function look(folder: string, name: string): Promise<Entry | undefined> {
  const path = join(folder, name);
  try {
    const state = await lstat(path, { bigint: true });
    if (state.isDirectory()) return await lookInto(path, name, state);
    const file = { path: name, size: Number(state.size), links: Number(state.nlink), state };
    const isFile = state.isFile() && file.links === 1;
    const what = isFile
      ? undefined
      : `${name} is a link or no file at all; a checkpoint is a file or a folder`;
    return entryOf(name, 'file', [file], isRenamed(state) ? 'complete' : 'unknown', what);
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function lookInto(path: string, name: string, state: FileState): Promise<Entry | undefined> {
  const { files, problems } = await listTree(path);
  if (files.length === 0) return undefined;
  const linked = files.find(({ links }) => links > 1);
  const problem =
    problems[0] ?? (linked && `${linked.path} is a hard link, whose other name may lie anywhere`);
  return entryOf(name, 'folder', files, signOf(name, files, state), problem && `${name}: ${problem}`);
}

function signOf(name: string, files: readonly TreeFile[], state: FileState): Entry['sign'] {
  const has = (file: string): boolean => files.some(({ path }) => path === file);
  if (isRenamed(state)) return 'complete';
  if (/^checkpoint-\d+$/.test(name)) return has(STATE) ? 'signed' : 'unfinished';
  if (files.some(({ path }) => path.endsWith('.distcp')))
    return files.some(({ path }) => path.split('/').at(-1) === METADATA) ? 'signed' : 'unfinished';
  return files.some(({ path }) => UNFINISHED_FILE.test(path)) ? 'unfinished' : 'unknown';
}

/** A new name changes the status of what has it, and not its content. */
function isRenamed({ mtimeNs, ctimeNs }: FileState): boolean {
  return ctimeNs > mtimeNs;
}

function entryOf(
  name: string,
  form: Entry['form'],
  files: readonly TreeFile[],
  sign: Entry['sign'],
  problem: string | undefined,
): Entry {
  let writtenNs = 0n;
  for (const { state } of files) if (state.mtimeNs > writtenNs) writtenNs = state.mtimeNs;
  return {
    name,
    form,
    files,
    // A new name of the whole changes no file of a folder, but the file itself when it is one.
    key: files.map(({ path, state }) => `${path} ${keyOf({ ...state, ctimeNs: 0n })}`).join('\n'),
    writtenNs,
    sign,
    problem,
  };
}
