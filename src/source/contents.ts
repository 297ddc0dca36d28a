import { MachineError, UserError, userErrors } from '../lib/errors.ts';
import { LARGEST_SOURCE } from '../records/program.ts';
import type { CommitFile } from './commit-file.ts';
import { gitIn, lfsObjects } from './git.ts';
import { isPointer, type Pointer, parsePointer, readLfsObject } from './lfs.ts';

const LFS_FIX = 'give actions/checkout the input lfs: true, or run git lfs pull';

/**
 * The bytes of files, in the order given, as a checkout has them: what Git LFS keeps is read from this machine's objects
 * and verified.
 * @throws UserError when files are too large together, or some are not on this machine; all of them at once
 */
export async function readContents(files: readonly CommitFile[]): Promise<Buffer[]> {
  const contents = await readBlobs(files).catch(async (error: unknown) => {
    refuseLarge(files, await sizesOf(files));
    throw error;
  });
  const pointers = new Map<number, Pointer>();
  const problems: string[] = [];
  contents.forEach((bytes, i) => {
    if (!isPointer(bytes)) return;
    const pointer = parsePointer(bytes);
    if (typeof pointer === 'string') problems.push(`${files[i]?.path} ${pointer}`);
    else pointers.set(i, pointer);
  });
  refuseLarge(
    files,
    contents.map(({ length }, i) => pointers.get(i)?.size ?? length),
  );
  const stores = new Map<string, string>();
  for (const [i, pointer] of pointers) {
    const { path = '', directory = '' } = files[i] ?? {};
    const objects = stores.get(directory) ?? (await lfsObjects(directory));
    stores.set(directory, objects);
    const found = await readLfsObject(objects, pointer);
    if (typeof found === 'string') problems.push(`${path}: ${found}`);
    else contents[i] = found;
  }
  if (problems.length > 0) throw userErrors(`files that Git LFS keeps cannot be read; ${LFS_FIX}`, problems);
  return contents;
}

async function readBlobs(files: readonly CommitFile[]): Promise<Buffer[]> {
  return inGroups(files, async (directory, group) =>
    blobsIn(await batch(directory, '--batch', group), group),
  );
}

async function sizesOf(files: readonly CommitFile[]): Promise<number[]> {
  const absent: string[] = [];
  const sizes = await inGroups(files, async (directory, group) => {
    const lines = (await batch(directory, '--batch-check', group)).toString().split('\n');
    return group.map(({ path, object }, i) => {
      const [, type, size] = lines[i]?.split(' ') ?? [];
      if (type === 'blob') return Number(size);
      absent.push(`${path}: the repository does not hold its content (${object})`);
      return 0;
    });
  });
  if (absent.length > 0)
    throw userErrors('the commit is not whole here; fetch it, or use a full checkout', absent);
  return sizes;
}

/** The contents in what `cat-file --batch` gave. @throws MachineError when one is not there */
function blobsIn(bytes: Buffer, files: readonly CommitFile[]): Buffer[] {
  let offset = 0;
  return files.map(({ path }) => {
    const end = bytes.indexOf('\n', offset);
    const [, type, size] = bytes.subarray(offset, end).toString().split(' ');
    if (type !== 'blob') throw new MachineError(`git gave no content of ${path}`);
    offset = end + 1 + Number(size) + 1;
    return bytes.subarray(end + 1, offset - 1);
  });
}

function batch(
  directory: string,
  how: '--batch' | '--batch-check',
  files: readonly CommitFile[],
): Promise<Buffer> {
  const input = files.map(({ object }) => `${object}\n`).join('');
  // A line of its own before each content.
  const maxOutput = LARGEST_SOURCE + files.length * 200;
  return gitIn(directory, ['cat-file', how], { input, maxOutput });
}

/** Does the same with the files of each git directory, and gives the results in the order of the files. */
async function inGroups<T>(
  files: readonly CommitFile[],
  work: (directory: string, files: readonly CommitFile[]) => Promise<T[]>,
): Promise<T[]> {
  const found = new Map<CommitFile, T>();
  for (const directory of new Set(files.map((file) => file.directory))) {
    const group = files.filter((file) => file.directory === directory);
    (await work(directory, group)).forEach((result, i) => {
      const { [i]: file } = group;
      if (file !== undefined) found.set(file, result);
    });
  }
  return files.flatMap((file) => found.get(file) ?? []);
}

/** Source is read into memory and packed; weights and data have places of their own. */
function refuseLarge(files: readonly CommitFile[], sizes: readonly number[]): void {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= LARGEST_SOURCE) return;
  const largest = files
    .map(({ path }, i) => ({ path, size: sizes[i] ?? 0 }))
    .sort((a, b) => b.size - a.size)
    .slice(0, 5)
    .map(({ path, size }) => `${path} (${mebibytes(size)})`);
  throw new UserError(
    `source has ${mebibytes(total)}, and may have ${mebibytes(LARGEST_SOURCE)}; the largest files are ${largest.join(', ')}. ` +
      'Leave large files out of source: data sets are named in trainer.data, and models are what the trainer writes',
  );
}

function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
