import { stat } from 'node:fs/promises';
import { posix, resolve } from 'node:path';
import { UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { run } from '../lib/process.ts';
import type { SourceConfig } from '../records/source.ts';
import { type CommitFile, refusalOf } from './commit-file.ts';
import { readContents } from './contents.ts';
import { listFiles } from './submodules.ts';

/** A commit of the user's repository, seen from one project's folder. Only committed objects count, never the work tree. */
export interface Commit {
  readonly id: string;
  readonly ref: string;
  /** The remote's address without credentials; empty when there is none. */
  readonly repository: string;
  /** The project's folder in the repository, `.` for its top. */
  readonly project: string;
  /** All files of the repository by path, those of its submodules included. */
  readonly files: ReadonlyMap<string, CommitFile>;
  /** Whether files of the commit in the project's folder are changed in the work tree. */
  readonly dirty: boolean;
  /** The bytes of files, in the order given; of those that Git LFS keeps, too. */
  read(files: readonly CommitFile[]): Promise<Buffer[]>;
}

/**
 * Opens HEAD of the repository that holds the project.
 * @param project the project's folder, relative to `workspace`
 */
export async function openCommit(workspace: string, project: string): Promise<Commit> {
  const folder = resolve(workspace, project);
  if (!(await stat(folder).catch(() => undefined))?.isDirectory()) {
    throw new UserError(
      `input project is ${JSON.stringify(project)}, and there is no such folder in ${workspace}. Check out the repository before, and give the project's folder in it`,
    );
  }
  const git = async (...args: string[]): Promise<string> =>
    (await run(['git', '-C', folder, ...args])).stdout.toString();
  const [prefix = '', directory = '', top = '', id = '', ref = 'HEAD'] = (
    await git(
      'rev-parse',
      '--show-prefix',
      '--absolute-git-dir',
      '--show-toplevel',
      'HEAD^{commit}',
      '--symbolic-full-name',
      'HEAD',
      '--',
    ).catch((cause: unknown) => {
      throw new UserError(
        `${folder} is not in a git repository with a commit. Commit the project: only commits are read`,
        { cause },
      );
    })
  ).split('\n');
  // At the same time: each is a process of its own.
  const [remote, files, changes] = await Promise.all([
    git('config', '--get', 'remote.origin.url').catch(() => ''),
    listFiles({ directory, top }, id),
    git('status', '--porcelain', '--untracked-files=no', '--', '.'),
  ]);
  return {
    id,
    ref: ref || 'HEAD',
    repository: withoutCredentials(remote.trim()),
    project: posix.normalize(prefix === '' ? '.' : prefix).replace(/\/$/, ''),
    files: new Map(files.map((file) => [file.path, file])),
    dirty: changes !== '',
    read: readContents,
  };
}

/** Opens the commit, and warns of changes that it does not have. */
export async function openProject(workspace: string, project: string, log: Log): Promise<Commit> {
  const commit = await openCommit(workspace, project);
  if (commit.dirty)
    log.warning('the work tree has changes that are not committed; only the commit counts, without them');
  return commit;
}

/** What a Source record says of the commit. */
export function sourceOf({ repository, id, project, ref }: Commit): SourceConfig {
  return { repository, commit: id, path: project, ref };
}

/**
 * The bytes of the project's own file, `path` relative to the project; undefined when the commit does not have it.
 * @throws UserError for a link, and for what is not on this machine
 */
export async function readProjectFile(commit: Commit, path: string): Promise<Buffer | undefined> {
  const file = commit.files.get(posix.join(commit.project, path));
  if (file === undefined) return undefined;
  const refusal = refusalOf(file);
  if (refusal !== undefined) throw new UserError(refusal);
  const known = descriptions.get(commit) ?? readDescriptions(commit);
  descriptions.set(commit, known);
  return (await known).get(file) ?? (await commit.read([file]))[0];
}

/** The project's file and its environments, of commits that were asked for one: every reading is a process, so there is one for all. */
const descriptions = new WeakMap<Commit, Promise<ReadonlyMap<CommitFile, Buffer>>>();

async function readDescriptions(commit: Commit): Promise<ReadonlyMap<CommitFile, Buffer>> {
  const prefix = commit.project === '.' ? '' : `${commit.project}/`;
  const files = [...commit.files.values()].filter(
    (file) =>
      file.path.startsWith(prefix) &&
      /^(trainyard|environments\/[^/]+)\.yml$/.test(file.path.slice(prefix.length)) &&
      refusalOf(file) === undefined,
  );
  // What is wrong with one is said when that one is asked for.
  const contents = await commit.read(files).catch(() => []);
  return new Map(files.flatMap((file, i) => (contents[i] ? [[file, contents[i]]] : [])));
}

function withoutCredentials(remote: string): string {
  return remote.replace(/^([\w+.-]+:\/\/)[^/]*@/, '$1').replace(/\.git$/, '');
}
