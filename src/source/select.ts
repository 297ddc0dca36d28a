import { posix } from 'node:path';
import picomatch from 'picomatch';
import { EntryNames, nameProblem } from '../lib/archive/names.ts';
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
 * Selects a commit's files by patterns relative to the project: a file, a folder, or a glob. What has no content of its
 * own is refused, and a name that not every system can write, or that two files would have there.
 */
export function selectFiles(commit: Commit, patterns: readonly string[]): Selection {
  const selected = new Map<string, { file: CommitFile; pattern: number }>();
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
      const refusal = refusalOf(file) ?? told(file, nameProblem(file.path));
      if (refusal === undefined) selected.set(file.path, { file, pattern: index });
      else problems.push({ pattern: index, message: refusal });
    }
  });
  const names = new EntryNames();
  const sorted = [...selected.values()].sort((a, b) => byBytes(a.file.path, b.file.path));
  for (const { file, pattern } of sorted) {
    const message = told(file, names.file(file.path));
    if (message !== undefined) problems.push({ pattern, message });
  }
  return { files: sorted.map(({ file }) => file), problems };
}

function told({ path }: CommitFile, problem: string | undefined): string | undefined {
  return (
    problem && `${JSON.stringify(path)} ${problem}; rename it, so that every system can unpack the source`
  );
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
