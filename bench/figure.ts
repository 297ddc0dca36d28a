import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** One promise: what was measured, against what it must be. */
export interface Figure {
  readonly name: string;
  readonly measured: number;
  readonly limit: number;
  /** `×` for a ratio of two things measured in one run, `MB`, `s`. */
  readonly unit: string;
  /** How it was measured, for the reader of the table. */
  readonly how: string;
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Seconds that a piece of work takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const begin = performance.now();
  await work();
  return (performance.now() - begin) / 1000;
}

/** Lets what was written get to the disk, so that the next measurement does not wait for it. */
export async function settle(): Promise<void> {
  await promisify(execFile)('sync');
}
