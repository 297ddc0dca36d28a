import { UserError } from '../lib/errors.ts';
import type { Descriptor } from '../records/oci.ts';
import { LOCK_LAYER, type ProgramEnvironment } from '../records/program.ts';
import { type Commit, readProjectFile } from '../source/commit.ts';
import type { Project } from '../source/project.ts';
import { layer } from '../store/records.ts';
import type { Store } from '../store/store.ts';

type Part = Project['trainer'] | NonNullable<Project['server']>;

/** Keeps a program's lock files, and says how its environment is made of them. */
export async function packEnvironment(
  store: Store,
  commit: Commit,
  { python, image }: Part,
): Promise<{ environment: ProgramEnvironment; layers: Descriptor[] }> {
  if (python === undefined) return { environment: { kind: 'image', image: image ?? '' }, layers: [] };
  const keep = async (path: string): Promise<Descriptor> =>
    layer(LOCK_LAYER, await store.write({ bytes: await lockFile(commit, path) }), path);
  if ('requirements' in python) {
    const lock = await keep(python.requirements);
    return { environment: { kind: 'requirements', lock: lock.digest }, layers: [lock] };
  }
  const lock = await keep(python.lock);
  const project = await keep('pyproject.toml');
  return {
    environment: { kind: 'uv', lock: lock.digest, project: project.digest, groups: python.groups },
    layers: [lock, project],
  };
}

async function lockFile(commit: Commit, path: string): Promise<Buffer> {
  const bytes = await readProjectFile(commit, path);
  if (bytes === undefined)
    throw new UserError(`the commit has no ${path} in the project, which trainyard.yml names under python`);
  if (path.endsWith('.txt')) refuseUnpinned(path, bytes.toString('utf8'));
  return bytes;
}

/** A requirement without a hash would make another environment of the same lock tomorrow. */
function refuseUnpinned(path: string, text: string): void {
  const logical = text.replace(/\\\r?\n/g, ' ').split('\n');
  const unpinned = logical.find((line) => /^\s*[A-Za-z0-9]/.test(line) && !line.includes('--hash='));
  if (unpinned === undefined) return;
  const number = text.split('\n').findIndex((line) => line.startsWith(unpinned.split(' ')[0] ?? '')) + 1;
  throw new UserError(
    `${path}:${number}: ${unpinned.trim()} has no --hash; lock it: uv pip compile --generate-hashes -o ${path} FILE.in`,
  );
}
