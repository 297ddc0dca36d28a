import type { Dirent } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Blob, digestOfFile } from './digest.ts';
import { UserError } from './errors.ts';
import { byBytes, digestOfJson } from './json.ts';

/** A regular file below a folder. */
export interface TreeFile {
  /** Relative to the folder, with `/`. */
  readonly path: string;
  readonly size: number;
  /** How many names the file has; more than one means that some may lie elsewhere. */
  readonly links: number;
}

/** What lies below a folder. */
export interface Tree {
  /** Sorted by the UTF-8 bytes of their paths. */
  readonly files: readonly TreeFile[];
  /** What is neither a file nor a folder, or has a name that other systems can't write: one sentence each, with its path. */
  readonly problems: readonly string[];
}

/** Lists all files below a folder; links are never followed. */
export async function listTree(folder: string): Promise<Tree> {
  const files: TreeFile[] = [];
  const problems: string[] = [];
  const walk = async (prefix: string): Promise<void> => {
    for (const entry of await readdir(join(folder, prefix), { withFileTypes: true })) {
      const path = prefix + entry.name;
      // Node writes U+FFFD for what is not UTF-8.
      if (/[\p{Cc}\\\uFFFD]/u.test(entry.name)) {
        problems.push(`${JSON.stringify(path)} has a name with a character that is not portable; rename it`);
      } else if (entry.isDirectory()) {
        await walk(`${path}/`);
      } else if (entry.isFile()) {
        const { size, nlink } = await lstat(join(folder, path));
        files.push({ path, size, links: nlink });
      } else {
        problems.push(`${path} is ${kindOf(entry)}; only files and folders can be taken`);
      }
    }
  };
  await walk('');
  files.sort((a, b) => byBytes(a.path, b.path));
  return { files, problems };
}

/**
 * The digest of a file's bytes; of a folder, that of the canonical JSON of its sorted list of [path, size, sha256].
 * The size is that of all files together, in bytes.
 * @param onBytes is told how many bytes each step took, and how many there are
 * @throws UserError when a folder holds links or other things that have no bytes of their own
 */
export async function digestOfTree(
  path: string,
  onBytes: (count: number, total: number) => void = () => {},
): Promise<Blob> {
  const found = await stat(path);
  if (found.isFile()) return digestOfFile(path, (count) => onBytes(count, found.size));
  if (!found.isDirectory()) throw new UserError(`${path} is neither a file nor a folder`);
  const { files, problems } = await listTree(path);
  if (problems.length > 0) throw new UserError(problems.join('; '));
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const list: [string, number, string][] = [];
  for (const file of files) {
    const { digest, size } = await digestOfFile(join(path, file.path), (count) => onBytes(count, total));
    list.push([file.path, size, digest.slice('sha256:'.length)]);
  }
  return { digest: digestOfJson(list), size: total };
}

function kindOf(entry: Dirent): string {
  if (entry.isSymbolicLink()) return 'a symbolic link';
  if (entry.isSocket()) return 'a socket';
  return entry.isFIFO() ? 'a named pipe' : 'a device';
}
