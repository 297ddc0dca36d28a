import * as crypto from 'node:crypto';
import * as fs from 'node:fs';
import { stat } from 'node:fs/promises';
import { copyWork } from './copy-work.ts';
import { changedMeanwhile, type FileState, isSettled, isUnwritten } from './file-state.ts';
import { type FileRead, type HashTask, hashWork } from './hash-work.ts';
import { inParallel } from './in-parallel.ts';
import { CORES, Threads } from './threads.ts';

/** Less is read here before a thread has started. */
const WORTH_A_THREAD = 4 * 2 ** 20;
/** What is given to a thread at once, so that small files cost no message each. */
const BATCH_BYTES = 32 * 2 ** 20;
const BATCH_FILES = 256;

/** Shared by all of the process: more threads than cores hash no faster. */
const threads = new Threads(hashWork);
/** Two cores are as busy with each. */
const copying = new Threads(copyWork, Math.ceil(CORES / 2));
/** For what others must not be kept from their work by. */
const gentle = new Threads(hashWork, Math.min(CORES, 2), 19);

type OnBytes = (count: number) => void;

interface FileToHash extends HashTask {
  /** How many bytes it has, about. */
  readonly size: number;
  /** What messages call it; its path unless given. */
  readonly name?: string | undefined;
  /** Only with cores that nobody else wants. */
  readonly isGentle?: boolean | undefined;
}

/** What a file holds, and the state of the file that held it. */
export interface FileHash {
  /** SHA-256, hexadecimal. */
  readonly hex: string;
  readonly size: number;
  readonly state: FileState;
  /** Whether a change since would show in the state. */
  readonly isSettled: boolean;
}

/**
 * Reads a file once, in a thread when it is large, with flat memory.
 * @param to where a copy of the very bytes that were hashed is written; nothing may be there, and what a failure leaves is the caller's
 * @throws UserError when somebody writes to the file meanwhile
 */
export async function hashFile(
  file: string,
  {
    onBytes,
    ...how
  }: Pick<FileToHash, 'to' | 'name' | 'isGentle'> & { readonly onBytes?: OnBytes | undefined } = {},
): Promise<FileHash> {
  const { size } = await stat(file);
  const [hash] = await hashBatch([{ path: file, size, ...how }], onBytes);
  if (hash === undefined) throw new Error(`${file} was not read`);
  return hash;
}

/** The same for many files, on all cores; in their order. @param files with their sizes in bytes */
export async function hashFiles(
  files: readonly { readonly path: string; readonly size: number }[],
  onBytes?: OnBytes,
): Promise<FileHash[]> {
  return (await inParallel(batchesOf(files), CORES, (batch) => hashBatch(batch, onBytes))).flat();
}

async function hashBatch(batch: readonly FileToHash[], onBytes: OnBytes = () => {}): Promise<FileHash[]> {
  const reads = await readBatch(batch, onBytes);
  const hashes: FileHash[] = [];
  for (const [i, read] of reads.entries()) {
    const { path: file = '', name = file } = batch[i] ?? {};
    if (!(await isConfirmed(file, read))) throw changedMeanwhile(name);
    const { hex, size, after: state, at } = read;
    hashes.push({ hex, size, state, isSettled: isSettled(state, at) });
  }
  return hashes;
}

async function readBatch(batch: readonly FileToHash[], onBytes: OnBytes): Promise<readonly FileRead[]> {
  if (sizeOf(batch) < WORTH_A_THREAD) return hashWork(batch, { fs, crypto, tell: onBytes }).result;
  const [{ path, to, isGentle = false } = { path: '' }] = batch;
  if (isGentle) return gentle.run(batch, onBytes);
  return to === undefined ? threads.run(batch, onBytes) : [await copying.run({ path, to }, onBytes)];
}

/**
 * Whether what was read is what the file held all the time. That it got another name, or lost one, shows in `ctime` as a write does
 * whose other traces were wiped; the bytes tell which of them it was.
 */
async function isConfirmed(file: string, { hex, size, before, after }: FileRead): Promise<boolean> {
  if (BigInt(size) !== before.size || !isUnwritten(before, after)) return false;
  return before.ctimeNs === after.ctimeNs || (await hashFile(file)).hex === hex;
}

function batchesOf(files: readonly FileToHash[]): FileToHash[][] {
  const batches: FileToHash[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const file of files) {
    const last = batches.at(-1);
    bytes += file.size;
    if (last !== undefined && bytes <= BATCH_BYTES && last.length < BATCH_FILES) last.push(file);
    else {
      batches.push([file]);
      bytes = file.size;
    }
  }
  return batches;
}

function sizeOf(files: readonly FileToHash[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
