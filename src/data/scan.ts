import type { BigIntStats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { nameProblem } from '../lib/archive/names.ts';
import { codeOf, UserError, userErrors } from '../lib/errors.ts';
import { isSettled, keyOf } from '../lib/file-state.ts';
import { byBytes } from '../lib/json.ts';
import { pathProblems } from './names.ts';

/** A regular file, and what changes when its bytes do. */
export interface ScannedFile {
  /** Relative to the root, with `/`. */
  readonly path: string;
  readonly size: number;
  /** Its state, see `keyOf` of file-state.ts: a file with the same stamp has the same bytes. */
  readonly stamp: string;
  /** Whether a change after this would show in the stamp. */
  readonly isSettled: boolean;
}

export interface Scanned {
  /** The folder that paths are relative to. */
  readonly root: string;
  readonly form: 'file' | 'folder';
  /** Sorted by the UTF-8 bytes of their paths. */
  readonly files: readonly ScannedFile[];
}

const SHOWN = 20;

/**
 * Lists the files of a data set with their stamps.
 * @param path a file or a folder
 * @throws UserError for what cannot be had on every machine: links, devices, names that are not portable; all at once
 */
export async function scan(path: string): Promise<Scanned> {
  const found = await lstat(path, { bigint: true }).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT' && codeOf(error) !== 'ENOTDIR') throw error;
    throw new UserError(`input path is ${path}, and nothing is there`);
  });
  if (found.isDirectory()) return { root: path, form: 'folder', files: await scanFolder(path) };
  if (!found.isFile()) throw new UserError(`input path is ${path}, neither a file nor a folder`);
  const name = basename(path);
  const problem = nameProblem(name);
  if (problem !== undefined) throw new UserError(`${path} ${problem}; rename it`);
  return { root: dirname(path), form: 'file', files: [fileOf(name, found)] };
}

async function scanFolder(root: string): Promise<ScannedFile[]> {
  const { files, others } = await listStamps(root);
  const problems = others.map((path) => `${JSON.stringify(path)} is neither a file nor a folder`);
  problems.push(...pathProblems(files.map(({ path }) => path)).map((problem) => `${problem}; rename it`));
  const rest = problems.length - SHOWN;
  if (rest > 0) problems.splice(SHOWN, rest, `and ${rest} more`);
  if (problems.length > 0) throw userErrors(`${root} cannot be a data set`, problems);
  if (files.length === 0) throw new UserError(`input path is ${root}, a folder without files`);
  return files;
}

/** All files below a folder; links are never followed. `others` is what is neither a file nor a folder. */
export async function listStamps(root: string): Promise<{ files: ScannedFile[]; others: string[] }> {
  const files: ScannedFile[] = [];
  const others: string[] = [];
  const walk = async (prefix: string): Promise<void> => {
    const entries = await readdir(join(root, prefix), { withFileTypes: true });
    const look = entries.map(async (entry) => {
      const path = prefix + entry.name;
      if (entry.isFile()) files.push(fileOf(path, await lstat(join(root, path), { bigint: true })));
      else if (!entry.isDirectory()) others.push(path);
    });
    await Promise.all(look);
    for (const entry of entries) if (entry.isDirectory()) await walk(`${prefix}${entry.name}/`);
  };
  await walk('');
  return { files: files.sort((a, b) => byBytes(a.path, b.path)), others: others.sort(byBytes) };
}

function fileOf(path: string, stats: BigIntStats): ScannedFile {
  return { path, size: Number(stats.size), stamp: keyOf(stats), isSettled: isSettled(stats, Date.now()) };
}
