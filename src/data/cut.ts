import { createHash } from 'node:crypto';
import { paddedSize } from './read-part.ts';
import type { ScannedFile } from './scan.ts';

/** What becomes one layer: many small files as a shard, or one large file as it is. */
export interface Part {
  readonly kind: 'shard' | 'file';
  readonly files: readonly ScannedFile[];
}

const MiB = 2 ** 20;
/** From this size on a file is a layer of its own, so that it is neither copied into a tar nor out of it. */
const LARGE = 32 * MiB;
/** A set that gives fewer shards of full size gets smaller ones, or each change would touch a great part of it. */
const FULL = 64 * MiB;
const LEAST = 8 * MiB;
const SHARDS = 64;

/**
 * Cuts files, sorted by path, into parts; shards first. Where a shard ends is decided by names and sizes near that end
 * alone: a file that is added, removed or changed changes its own shard, and sometimes the one behind it.
 */
export function cut(files: readonly ScannedFile[]): Part[] {
  const isLarge = ({ size }: ScannedFile): boolean => size >= LARGE;
  const small = files.filter((file) => !isLarge(file));
  const target = targetFor(small.reduce((sum, { size }) => sum + paddedSize(size), 0));
  const parts: Part[] = [];
  for (let start = 0; start < small.length; ) {
    const end = endOf(small, start, target);
    parts.push({ kind: 'shard', files: small.slice(start, end) });
    start = end;
  }
  return [...parts, ...files.filter(isLarge).map((file): Part => ({ kind: 'file', files: [file] }))];
}

/** A power of two, so that a set which grows is cut anew only each time that it has doubled. */
function targetFor(bytes: number): number {
  let target = FULL;
  while (target > LEAST && bytes / target < SHARDS) target /= 2;
  return target;
}

/** The shard ends before that file, of those in reach, whose name has the smallest digest: the same one wherever it starts. */
function endOf(files: readonly ScannedFile[], start: number, target: number): number {
  const [least, most] = [target * 0.75, target * 1.25];
  let best: { end: number; rank: number } | undefined;
  let size = 0;
  for (let end = start; end < files.length; end++) {
    const file = files[end];
    if (file === undefined) break;
    if (size >= least) {
      const rank = rankOf(file.path);
      if (best === undefined || rank < best.rank) best = { end, rank };
    }
    size += paddedSize(file.size);
    if (size > most) return best?.end ?? Math.max(end, start + 1);
  }
  return files.length;
}

function rankOf(path: string): number {
  return createHash('sha256').update(path).digest().readUIntBE(0, 6);
}

/** Bytes of shards in memory at a time, about. */
const MEMORY = 96 * MiB;

/** How many parts may be packed at a time, of which the shards have these sizes in bytes. */
export function shardsAtOnce(sizes: readonly number[]): number {
  const largest = sizes.reduce((most, size) => Math.max(most, size), 1);
  return Math.min(8, Math.max(2, Math.floor(MEMORY / largest)));
}
