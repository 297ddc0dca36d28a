import { randomBytes } from 'node:crypto';
import { chmod, constants, copyFile, link, mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Blob, digestOfFile, hexOf } from '../../lib/digest.ts';
import { codeOf, UserError } from '../../lib/errors.ts';
import { listTree } from '../../lib/tree.ts';
import { modelFilesOf } from '../../records/package.ts';
import { unpackSource } from '../../store/source.ts';
import type { Parts } from '../parts.ts';
import type { State } from './state.ts';

/** A release as files on this machine. */
export interface Files {
  /** Holds all of it. */
  readonly folder: string;
  /** The model's files. */
  readonly models: string;
  /** The first of them. */
  readonly model: string;
  /** The server's source. */
  readonly source: string;
  /** Every file, by its absolute path. */
  readonly list: readonly (Blob & { readonly path: string })[];
}

/** Lays out model and source, read-only, in a folder of its own; a server that runs keeps its own. */
export async function materialise(state: State, { release, modelPack, server }: Parts): Promise<Files> {
  const folder = join(state.releases, `${hexOf(release.digest, 12)}-${randomBytes(4).toString('hex')}`);
  const models = join(folder, 'model');
  const source = join(folder, 'source');
  await mkdir(source, { recursive: true });
  const list: (Blob & { path: string })[] = [];
  for (const { path, digest, size } of modelFilesOf(modelPack.manifest)) {
    const to = join(models, path);
    await mkdir(dirname(to), { recursive: true });
    await linkOrCopy(state.store.pathOf(digest), to);
    list.push({ path: to, digest, size });
  }
  const [first] = list;
  if (first === undefined) throw new UserError(`package ${modelPack.digest} holds no model file`);
  await unpackSource(state.store, server.manifest, source);
  for (const { path } of (await listTree(source)).files) {
    const to = join(source, path);
    await chmod(to, (await stat(to)).mode & 0o555);
    list.push({ path: to, ...(await digestOfFile(to)) });
  }
  return { folder, models, model: first.path, source, list };
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  await link(from, to).catch(async (error: unknown) => {
    if (!['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP'].includes(codeOf(error) ?? '')) throw error;
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    await chmod(to, 0o444);
  });
}
