import type { Readable } from 'node:stream';
import pLimit from 'p-limit';
import { type Blob, type Digest, digestOfFile } from '../lib/digest.ts';
import { codeOf, MachineError, messageOf, UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { Meter } from '../lib/progress.ts';
import type { Store } from '../store/store.ts';

const AT_ONCE = 8;

/** What was found of a blob: its size in bytes, or what is wrong with it. */
export type Found = { readonly size: number } | { readonly problem: string };

/**
 * Reads blobs to their last byte, several at a time, and tells every few seconds how far it is.
 * @param blobs with their sizes in bytes, as records say them
 * @param drop whether a damaged one is removed where the store can do that, so that it is written again
 */
export async function readBlobs(
  store: Store,
  blobs: ReadonlyMap<Digest, number>,
  { log, signal, drop }: { readonly log: Log; readonly signal: AbortSignal; readonly drop: boolean },
): Promise<ReadonlyMap<Digest, Found>> {
  const meter = new Meter(log, 'read');
  const found = new Map<Digest, Found>();
  const transfers = [...blobs].map(([digest, size]) => ({ digest, transfer: meter.start(size) }));
  await pLimit(AT_ONCE).map(transfers, async ({ digest, transfer }) => {
    signal.throwIfAborted();
    found.set(digest, await readBlob(store, digest, drop, transfer.moved));
    transfer.end();
  });
  return found;
}

async function readBlob(
  store: Store,
  digest: Digest,
  drop: boolean,
  onBytes: (count: number) => void,
): Promise<Found> {
  try {
    if (!(await store.has(digest))) return { problem: 'is missing' };
    const path = store.pathOf?.(digest);
    const read =
      path === undefined ? await readThrough(store, digest, onBytes) : await digestOfFile(path, onBytes);
    if (read.digest === digest) return { size: read.size };
    if (store.dropDamaged === undefined) return { problem: 'is damaged' };
    // What is there is not copied again, damaged as it is.
    if (!drop) return { problem: 'is damaged (first let verify with the input repair: true remove it)' };
    const isDropped = await store.dropDamaged(digest);
    return { problem: `is damaged${isDropped ? ', and was removed so that it is written again' : ''}` };
  } catch (error) {
    const isOfTheStore = error instanceof UserError || error instanceof MachineError;
    if (!isOfTheStore && codeOf(error) === undefined) throw error;
    return { problem: `cannot be read: ${messageOf(error)}` };
  }
}

/** What a store gives is verified at its end. */
async function readThrough(store: Store, digest: Digest, onBytes: (count: number) => void): Promise<Blob> {
  let size = 0;
  const stream: Readable = await store.read(digest);
  for await (const chunk of stream) {
    size += chunk.length;
    onBytes(chunk.length);
  }
  return { digest, size };
}
