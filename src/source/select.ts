import { posix } from 'node:path';
import picomatch from 'picomatch';
import { byBytes } from '../lib/json.ts';
import type { Commit } from './commit.ts';
import type { CommitFile } from './commit-file.ts';
import { refusalOf } from './commit-file.ts';

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
    if (posix.isAbsolute(pattern) || wanted === '..' || wanted.startsWith('../')) {
      problems.push({ pattern: index, message: `${pattern} is outside the repository` });
      return;
    }
    const matches = matcher(commit.project, pattern);
    const found = [...commit.files.values()].filter(({ path }) => matches(path));
    if (found.length === 0) problems.push({ pattern: index, message: whyNothing(commit, pattern, wanted) });
    for (const file of found) {
      const refusal = refusalOf(file);
      if (refusal === undefined) selected.set(file.path, file);
      else problems.push({ pattern: index, message: refusal });
    }
  });
  return { files: [...selected.values()].sort((a, b) => byBytes(a.path, b.path)), problems };
}

/** A path that is meant literally wins over the same characters as a glob; those of the folders above are never one. */
function matcher(project: string, pattern: string): (path: string) => boolean {
  const [, up = '', below = ''] =
    /^((?:\.\.(?:\/|$))*)(.*?)\/?$/.exec(posix.normalize(pattern).replace(/^\.\/?$/, '')) ?? [];
  const base = posix.join(project, up);
  const glob = picomatch(below === '' ? '**' : [below, `${below}/**`], { dot: true, nonegate: true });
  return (path) => {
    const inside = posix.relative(base, path);
    return !inside.startsWith('../') && (inside === below || inside.startsWith(`${below}/`) || glob(inside));
  };
}

function whyNothing(commit: Commit, pattern: string, wanted: string): string {
  const above = [...commit.files.values()].find(({ path }) => wanted.startsWith(`${path}/`));
  const refusal = above && refusalOf(above);
  if (refusal !== undefined) return `${pattern}: ${refusal}`;
  return `${pattern} matches no file of commit ${commit.id.slice(0, 12)}`;
}
