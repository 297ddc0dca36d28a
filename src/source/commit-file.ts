/** A file of a commit. `mode` as git has it: 100644, 100755, 120000 (link), 160000 (a submodule that is not here). */
export interface CommitFile {
  readonly path: string;
  readonly mode: string;
  readonly object: string;
  /** The git directory that holds the object: the repository's, or that of a submodule. */
  readonly directory: string;
}

/** Why a file's content cannot be had from the commit; undefined when it can. */
export function refusalOf({ path, mode, object }: CommitFile): string | undefined {
  if (mode === '160000')
    return `${path} is a git submodule, and its commit ${object.slice(0, 12)} is not here: give actions/checkout the input submodules: recursive, or run git submodule update --init --recursive`;
  if (mode === '120000') return `${path} is a symbolic link: name the file that it points to`;
  return undefined;
}
