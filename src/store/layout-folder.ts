import { existsSync } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, hexOf, isDigest } from '../lib/digest.ts';
import { codeOf, UserError } from '../lib/errors.ts';
import { writeWhole } from '../lib/files.ts';
import type { LayoutIndex } from './layout-index.ts';

/** An image layout on disk, for what looks after it as a whole. */
export interface LayoutFolder {
  readonly root: string;
  /** As the user named it, for messages. */
  readonly location: string;
  readonly index: LayoutIndex;
}

/** A file below `blobs/`. */
export interface BlobFile {
  readonly digest: Digest;
  readonly path: string;
}

/** Makes a folder an image layout, unless it is one. @throws UserError for a file */
export async function makeLayout(root: string, location: string): Promise<void> {
  const found = await stat(root).catch(() => undefined);
  if (found !== undefined && !found.isDirectory()) {
    throw new UserError(
      `the store ${location} is a file; a store is a folder (name another one, or remove the file)`,
    );
  }
  await mkdir(blobsOf(root), { recursive: true });
  const marker = join(root, 'oci-layout');
  if (!existsSync(marker)) await writeWhole(marker, '{"imageLayoutVersion":"1.0.0"}');
}

/** Where a blob lies, or would. */
export function pathIn(root: string, digest: Digest): string {
  return join(blobsOf(root), hexOf(digest));
}

/** Every blob of a layout. */
export function listBlobs(root: string): Promise<BlobFile[]> {
  return blobsIn(blobsOf(root));
}

/** The files of a folder that are named as blobs are. */
export async function blobsIn(folder: string): Promise<BlobFile[]> {
  return (await filesIn(folder)).flatMap((name) => {
    const digest = `sha256:${name}`;
    return isDigest(digest) ? [{ digest, path: join(folder, name) }] : [];
  });
}

/** The names in a folder, none when it is not there. */
export async function filesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  });
}

function blobsOf(root: string): string {
  return join(root, 'blobs', 'sha256');
}
