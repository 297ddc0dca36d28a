/** A file of a commit. `mode` as git has it: 100644, 100755, 120000 (link), 160000 (submodule). */
export interface CommitFile {
  readonly path: string;
  readonly mode: string;
  readonly object: string;
}

/** Why the commit does not hold a file's content itself; undefined when it does. */
export function refusalOf({ path, mode }: CommitFile): string | undefined {
  if (mode === '160000')
    return `${path} is a git submodule: submodules are not supported yet; commit the files themselves`;
  if (mode === '120000') return `${path} is a symbolic link: name the file that it points to`;
  return undefined;
}

/** The sentence for files that Git LFS keeps elsewhere; undefined when there are none. */
export function lfsRefusal(files: readonly CommitFile[], contents: readonly Buffer[]): string | undefined {
  const pointers = files.filter((_, i) => isLfsPointer(contents[i] ?? Buffer.alloc(0)));
  if (pointers.length === 0) return undefined;
  return `Git LFS is not supported yet, and these files are LFS pointers: ${pointers.map(({ path }) => path).join(', ')}. Commit the files themselves, or leave them out of source`;
}

/** What a Git LFS pointer looks like (git-lfs specification v1). */
function isLfsPointer(bytes: Buffer): boolean {
  return (
    bytes.length < 1024 && bytes.toString('latin1').startsWith('version https://git-lfs.github.com/spec/v1')
  );
}
