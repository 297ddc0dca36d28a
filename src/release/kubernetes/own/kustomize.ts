import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { UserError } from '../../../lib/errors.ts';
import { json, tryJson } from '../../../lib/json.ts';
import { CommandError, run } from '../../../lib/process.ts';
import type { Commit } from '../../../source/commit.ts';
import type { CommitFile } from '../../../source/commit-file.ts';
import { openManifests } from '../../../source/yaml-source.ts';
import { filesFor } from './kustomize-files.ts';
import type { Manifests } from './written.ts';

/** Nothing is fetched at release time: what a release is made of is in the commit. */
const OFFLINE = [
  'GIT_ALLOW_PROTOCOL=file',
  ...['HTTP_PROXY', 'HTTPS_PROXY'].map((name) => `${name}=http://127.0.0.1:9`),
  'NO_PROXY=',
];

/** What `kubectl kustomize` makes of a folder of the commit; the work tree has no part in it. */
export async function kustomize(
  commit: Commit,
  { path: file }: CommitFile,
  scratch: () => Promise<string>,
): Promise<Manifests> {
  const { files, problems } = await filesFor(commit, posix.dirname(file));
  if (problems.length > 0) return { documents: [], problems };
  const folder = await scratch();
  try {
    const contents = await commit.read(files);
    for (const [index, { path }] of files.entries()) {
      const to = join(folder, path);
      await mkdir(dirname(to), { recursive: true });
      await writeFile(to, contents[index] ?? '');
    }
    const documents = openManifests(file, await build(file, folder));
    return {
      documents: documents.map(({ value }) => ({
        value: json.parse(value),
        place: (path) => [file, path.join('.')].filter(Boolean).join(': '),
      })),
      problems: [],
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @param root the folder that stands for the repository */
async function build(file: string, root: string): Promise<string> {
  const cwd = join(root, dirname(file));
  try {
    return (await run(['env', ...OFFLINE, 'kubectl', 'kustomize', '.'], { cwd })).stdout.toString();
  } catch (cause) {
    if (!(cause instanceof CommandError)) throw cause;
    if (cause.status === 127)
      throw new UserError(
        `${file} is a kustomization, which kubectl builds, and kubectl is not on the PATH of this machine; install it (hosted runners of GitHub have it)`,
        { cause },
      );
    throw new UserError(`${file} cannot be built: ${saidIn(cause.stderr).replaceAll(`${root}/`, '')}`);
  }
}

/** The error alone, of which newer ones of kubectl make a line of a log. */
function saidIn(stderr: string): string {
  const [, quoted = ''] = /^E\d{4} .*? err=(".*")$/s.exec(stderr.trim()) ?? [];
  const said = tryJson(quoted);
  return typeof said === 'string' ? said : stderr.trim();
}
