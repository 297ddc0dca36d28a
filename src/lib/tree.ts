import type { Dirent } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Blob, blobOf, hexOf } from './digest.ts';
import type { DigestCache } from './digest-cache.ts';
import { UserError } from './errors.ts';
import type { FileState } from './file-state.ts';
import { hashFiles } from './hash-file.ts';
import { byBytes, digestOfJson } from './json.ts';

/** A regular file below a folder. */
export interface TreeFile {
  /** Relative to the folder, with `/`. */
  readonly path: string;
  readonly size: number;
  /** How many names the file has; more than one means that some may lie elsewhere. */
  readonly links: number;
  readonly state: FileState;
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
    const entries = await readdir(join(folder, prefix), { withFileTypes: true });
    const folders: string[] = [];
    const look = async (entry: Dirent): Promise<void> => {
      const path = prefix + entry.name;
      // Node writes U+FFFD for what is not UTF-8.
      if (/[\p{Cc}\\\uFFFD]/u.test(entry.name)) {
        problems.push(`${JSON.stringify(path)} has a name with a character that is not portable; rename it`);
      } else if (entry.isDirectory()) {
        folders.push(`${path}/`);
      } else if (entry.isFile()) {
        const state = await lstat(join(folder, path), { bigint: true });
        files.push({ path, size: Number(state.size), links: Number(state.nlink), state });
      } else {
        problems.push(`${path} is ${kindOf(entry)}; only files and folders can be taken`);
      }
    };
    await Promise.all(entries.map(look));
    for (const below of folders) await walk(below);
  };
  await walk('');
  files.sort((a, b) => byBytes(a.path, b.path));
  return { files, problems };
}

/**
 * The digest of a file's bytes; of a folder, that of the canonical JSON of its sorted list of [path, size, sha256].
 * The size is that of all files together, in bytes. Reads on all cores.
 * @param onBytes is told how many bytes each step took, and how many there are; when it throws, the reading ends
 * @param cache spares what has not changed since it was last read
 * @throws UserError when a folder holds links or other things that have no bytes of their own, or a file changes meanwhile
 */
export async function digestOfTree(
  path: string,
  onBytes: (count: number, total: number) => void = () => {},
  cache?: DigestCache,
): Promise<Blob> {
  const found = await stat(path, { bigint: true });
  if (found.isFile()) {
    const size = Number(found.size);
    const [blob] = await digestsOf([{ path, size, state: found }], (count) => onBytes(count, size), cache);
    if (blob !== undefined) return blob;
  }
  if (!found.isDirectory()) throw new UserError(`${path} is neither a file nor a folder`);
  const { files, problems } = await listTree(path);
  if (problems.length > 0) throw new UserError(problems.join('; '));
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const blobs = await digestsOf(
    files.map((file) => ({ ...file, path: join(path, file.path) })),
    (count) => onBytes(count, total),
    cache,
  );
  const list = blobs.map(({ digest, size }, i) => [files[i]?.path ?? '', size, hexOf(digest)]);
  return { digest: digestOfJson(list), size: blobs.reduce((sum, { size }) => sum + size, 0) };
}

async function digestsOf(
  files: readonly Pick<TreeFile, 'path' | 'size' | 'state'>[],
  onBytes: (count: number) => void,
  cache: DigestCache | undefined,
): Promise<Blob[]> {
  const known = await Promise.all(files.map(({ state }) => cache?.find(state)));
  const read = await hashFiles(
    files.filter((_, i) => known[i] === undefined),
    onBytes,
  );
  await cache?.keep(read);
  onBytes(known.reduce((sum, blob) => sum + (blob?.size ?? 0), 0));
  return known.flatMap((blob) => (blob === undefined ? read.splice(0, 1).map(blobOf) : [blob]));
}

function kindOf(entry: Dirent): string {
  if (entry.isSymbolicLink()) return 'a symbolic link';
  if (entry.isSocket()) return 'a socket';
  return entry.isFIFO() ? 'a named pipe' : 'a device';
}
