import { posix } from 'node:path';
import picomatch from 'picomatch';
import { byBytes } from '../lib/json.ts';
import type { Commit, CommitFile } from './commit.ts';

/** The files that a program is made of, or what is wrong with the patterns. */
export interface Selection {
  readonly files: readonly CommitFile[];
  /** One for each pattern or file that cannot be used; `pattern` is its index in the list. */
  readonly problems: readonly { readonly pattern: number; readonly message: string }[];
}

/**
 * Selects a commit's files by patterns relative to the project: a file, a folder, or a glob. Links and submodules are
 * refused, because their content is not in the commit.
 */
export function selectFiles(commit: Commit, patterns: readonly string[]): Selection {
  const selected = new Map<string, CommitFile>();
  const problems: { pattern: number; message: string }[] = [];
  patterns.forEach((pattern, index) => {
    const wanted = posix.join(commit.project, pattern).replace(/\/$/, '');
    if (wanted.startsWith('../') || posix.isAbsolute(pattern)) {
      problems.push({ pattern: index, message: `${pattern} is outside the repository` });
      return;
    }
    const matches = picomatch(wanted === '.' ? '**' : [wanted, `${wanted}/**`], { dot: true });
    const found = [...commit.files.values()].filter(({ path }) => matches(path));
    if (found.length === 0) problems.push({ pattern: index, message: whyNothing(commit, pattern, wanted) });
    for (const file of found) {
      const refusal = refuse(file);
      if (refusal === undefined) selected.set(file.path, file);
      else problems.push({ pattern: index, message: refusal });
    }
  });
  return { files: [...selected.values()].sort((a, b) => byBytes(a.path, b.path)), problems };
}

function whyNothing(commit: Commit, pattern: string, wanted: string): string {
  const submodule = [...commit.files.values()].find(
    ({ path, mode }) => mode === '160000' && wanted.startsWith(`${path}/`),
  );
  return submodule
    ? `${pattern} is in the git submodule ${submodule.path}: submodules are not supported yet; commit the files themselves`
    : `${pattern} matches no file of commit ${commit.id.slice(0, 12)}`;
}

function refuse({ path, mode }: CommitFile): string | undefined {
  if (mode === '160000')
    return `${path} is a git submodule: submodules are not supported yet; commit the files themselves`;
  if (mode === '120000') return `${path} is a symbolic link: list the file that it points to`;
  return undefined;
}

/** What a Git LFS pointer looks like (git-lfs specification v1). */
export function isLfsPointer(bytes: Buffer): boolean {
  return (
    bytes.length < 1024 && bytes.toString('latin1').startsWith('version https://git-lfs.github.com/spec/v1')
  );
}
