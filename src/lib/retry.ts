import { setTimeout } from 'node:timers/promises';
import { messageOf } from './errors.ts';
import type { Log } from './log.ts';

export interface Retrying {
  /** What is tried, for the log: "the upload of x". */
  readonly what: string;
  readonly log: Log;
  /** Whether the same call may succeed a little later. */
  isTransient(error: unknown): boolean;
  /** Waits some milliseconds; tests pass their own. */
  readonly sleep?: ((milliseconds: number) => Promise<unknown>) | undefined;
}

const ATTEMPTS = 5;

/** Tries up to five times, waiting about 1, 2, 4 and 8 seconds, each by half more or less so that jobs do not come back in step. */
export async function retry<T>(
  work: () => Promise<T>,
  { what, log, isTransient, sleep = setTimeout }: Retrying,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (attempt === ATTEMPTS || !isTransient(error)) throw error;
      const wait = Math.round(1000 * 2 ** (attempt - 1) * (0.5 + Math.random()));
      log.warning(
        `${what} failed (${messageOf(error)}); attempt ${attempt + 1} of ${ATTEMPTS} in ${wait / 1000} s`,
      );
      await sleep(wait);
    }
  }
}
