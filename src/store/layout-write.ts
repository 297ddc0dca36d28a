import { createReadStream, createWriteStream } from 'node:fs';
import { chmod, constants, copyFile, link, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  type Blob,
  type Digest,
  differs,
  digestOf,
  digestOfFile,
  HashingStream,
  hexOf,
  VerifyingStream,
} from '../lib/digest.ts';
import { codeOf } from '../lib/errors.ts';
import { aside, writeWhole } from '../lib/files.ts';
import type { Content } from './store.ts';

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
  return takeFile(blobs, content.file, content.how, expected);
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

async function takeFile(
  blobs: Blobs,
  file: string,
  how: 'move' | 'link' | 'copy',
  expected: Digest | undefined,
): Promise<Blob> {
  // A copy is hashed on its way, so that a file which changes meanwhile cannot enter under a wrong name.
  if (how === 'copy') return writeStream(blobs, createReadStream(file, { highWaterMark: 1 << 20 }), expected);
  const blob = await digestOfFile(file);
  if (expected !== undefined && blob.digest !== expected) throw differs(file, expected, blob.digest);
  const temporary = incoming(blobs);
  try {
    await (how === 'move' ? rename(file, temporary) : link(file, temporary)).catch(async (error: unknown) => {
      if (!['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP'].includes(codeOf(error) ?? '')) throw error;
      await copyFile(file, temporary, constants.COPYFILE_FICLONE);
      if (how === 'move') await rm(file);
    });
    await adopt(blobs, temporary, blob);
    return blob;
  } finally {
    await rm(temporary, { force: true });
  }
}

/** A name for what has not its final one yet, on the same disk. */
function incoming(blobs: Blobs): string {
  return aside(join(blobs.folder, 'incoming'));
}

/** Gives a whole file its final name, on disk before it is seen. */
async function adopt(blobs: Blobs, temporary: string, { digest }: Blob): Promise<void> {
  await chmod(temporary, 0o444);
  const file = await open(temporary, 'r');
  await file.datasync().finally(() => file.close());
  await rename(temporary, join(blobs.folder, hexOf(digest)));
}

async function isWhole(path: string, digest: Digest, size: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.size === size && (await digestOfFile(path)).digest === digest;
}
