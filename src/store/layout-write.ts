import { createWriteStream } from 'node:fs';
import { chmod, copyFile as clone, constants, link, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  type Blob,
  blobOf,
  type Digest,
  differs,
  digestOf,
  digestOfFile,
  HashingStream,
  hexOf,
  VerifyingStream,
} from '../lib/digest.ts';
import { codeOf } from '../lib/errors.ts';
import { changedMeanwhile, isUnwritten } from '../lib/file-state.ts';
import { aside, writeWhole } from '../lib/files.ts';
import { type FileHash, hashFile } from '../lib/hash-file.ts';
import type { Content, Store } from './store.ts';

/** Where a layout keeps its blobs. */
export interface Blobs {
  /** The layout as the user named it. */
  readonly location: string;
  /** `blobs/sha256`, which is there. */
  readonly folder: string;
}

/** Keeps a content as a read-only file under its digest. @throws UserError when it is not what was expected */
export async function writeBlob(blobs: Blobs, content: Content, expected: Digest | undefined): Promise<Blob> {
  if ('bytes' in content) return writeBytes(blobs, content.bytes, expected);
  if ('stream' in content) return writeStream(blobs, content.stream, expected);
  if ('open' in content) return writeStream(blobs, await content.open(), expected);
  return takeFile(blobs, content, expected);
}

async function writeBytes(blobs: Blobs, bytes: Uint8Array, expected: Digest | undefined): Promise<Blob> {
  const digest = digestOf(bytes);
  if (expected !== undefined && digest !== expected) throw differs(blobs.location, expected, digest);
  const path = join(blobs.folder, hexOf(digest));
  if (!(await isWhole(path, digest, bytes.length))) await writeWhole(path, bytes, 0o444);
  return { digest, size: bytes.length };
}

async function writeStream(blobs: Blobs, stream: Readable, expected: Digest | undefined): Promise<Blob> {
  const temporary = incoming(blobs);
  const hash = expected === undefined ? new HashingStream() : new VerifyingStream(expected, blobs.location);
  try {
    await pipeline(stream, hash, createWriteStream(temporary, { flags: 'wx', flush: true }));
    await adopt(blobs, temporary, hash.blob);
    return hash.blob;
  } finally {
    await rm(temporary, { force: true });
  }
}

/**
 * Takes a file by its name where that can be: then its bytes are read once, to know them. What somebody may still write is cloned,
 * or copied and hashed on its way.
 */
async function takeFile(
  blobs: Blobs,
  { file, how, isGentle }: Extract<Content, { how: unknown }>,
  expected: Digest | undefined,
): Promise<Blob> {
  const temporary = incoming(blobs);
  const isShared = how !== 'copy' && (await share(file, temporary, how));
  try {
    const hash = isShared
      ? await hashFile(temporary, { name: file })
      : await copyFile(file, temporary, isGentle);
    const blob = blobOf(hash);
    if (expected !== undefined && blob.digest !== expected) throw differs(file, expected, blob.digest);
    await adopt(blobs, temporary, blob, async () => {
      if (isShared && !isUnwritten(hash.state, await stat(temporary, { bigint: true })))
        throw changedMeanwhile(file);
    });
    if (how === 'move' && !isShared) await rm(file);
    return blob;
  } catch (error) {
    if (how === 'move' && isShared) await rename(temporary, file).catch(() => {});
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** Gives a file a second name, or another one, and nobody the right to write to it; false where the disk or its owner forbids that. */
async function share(file: string, temporary: string, how: 'move' | 'link'): Promise<boolean> {
  const ifImpossible = (error: unknown): false => {
    if (['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'EACCES'].includes(codeOf(error) ?? '')) return false;
    throw error;
  };
  const isThere = await (how === 'move' ? rename : link)(file, temporary).then(() => true, ifImpossible);
  if (!isThere || (await chmod(temporary, 0o444).then(() => true, ifImpossible))) return isThere;
  await (how === 'move' ? rename(temporary, file) : rm(temporary));
  return false;
}

/** Clones a file where the disk can; else copies it, so that what is hashed is what was written. */
async function copyFile(file: string, temporary: string, isGentle: boolean | undefined): Promise<FileHash> {
  const before = await stat(file, { bigint: true });
  const isCloned = await clone(file, temporary, constants.COPYFILE_FICLONE_FORCE).then(
    () => true,
    () => false,
  );
  if (!isCloned) return hashFile(file, { to: temporary, isGentle });
  const hash = await hashFile(temporary, { name: file, isGentle });
  if (!isUnwritten(before, await stat(file, { bigint: true }))) throw changedMeanwhile(file);
  return hash;
}

/** Has a store write one of its large blobs, where it can; false where it cannot. */
export async function receiveBlob(blobs: Blobs, from: Store, blob: Blob): Promise<boolean> {
  if (from.fetch === undefined) return false;
  const temporary = incoming(blobs);
  try {
    if (!(await from.fetch(blob, temporary))) return false;
    await adopt(blobs, temporary, blob);
    return true;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** A name for what has not its final one yet, on the same disk. */
function incoming(blobs: Blobs): string {
  return aside(join(blobs.folder, 'incoming'));
}

/** Gives a whole file its final name, on disk before it is seen. @param confirm fails if it should not have it after all */
async function adopt(
  blobs: Blobs,
  temporary: string,
  { digest }: Blob,
  confirm: () => Promise<void> = async () => {},
): Promise<void> {
  await chmod(temporary, 0o444);
  const file = await open(temporary, 'r');
  await file.datasync().finally(() => file.close());
  await confirm();
  await rename(temporary, join(blobs.folder, hexOf(digest)));
}

async function isWhole(path: string, digest: Digest, size: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  if (found?.size !== size) return false;
  // It may be removed meanwhile.
  const read = await digestOfFile(path).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  return read?.digest === digest;
}
