import type { BigIntStats } from 'node:fs';
import { UserError } from './errors.ts';

/** Times come in steps, so a file that changed this shortly ago may change again without a sign. */
const SETTLED_MS = 2000;

/** What shows, without reading, whether a file is still what it was. Times are in nanoseconds since 1970. */
export type FileState = Readonly<Pick<BigIntStats, 'dev' | 'ino' | 'size' | 'mtimeNs' | 'ctimeNs'>>;

/** A file's state as one text, by which notes of files are found. */
export function keyOf({ dev, ino, size, mtimeNs, ctimeNs }: FileState): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join(':');
}

/** Whether nobody wrote to the file in between. A change of its names or its mode changes `ctime` alone, and so does a writer that puts the other time back. */
export function isUnwritten(before: FileState, after: FileState): boolean {
  return (
    before.dev === after.dev &&
    before.ino === after.ino &&
    before.size === after.size &&
    before.mtimeNs === after.mtimeNs
  );
}

/** Whether a change after that moment would show. @param at milliseconds since 1970 */
export function isSettled({ mtimeNs, ctimeNs }: FileState, at: number): boolean {
  const since = BigInt(at - SETTLED_MS) * 1_000_000n;
  return mtimeNs < since && ctimeNs < since;
}

/** The one message for a file that was written to while it was read. */
export function changedMeanwhile(path: string): UserError {
  return new UserError(
    `${path} changed while it was read; wait until whatever writes it has ended, and run this again`,
  );
}
