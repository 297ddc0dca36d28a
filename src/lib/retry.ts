import { setTimeout } from 'node:timers/promises';
import { MachineError, messageOf } from './errors.ts';
import type { Log } from './log.ts';

/** A failure after which the same call may succeed a little later. */
export class TransientError extends MachineError {
  /** How long the other side asked to wait; undefined when it did not say. */
  readonly waitSeconds: number | undefined;

  constructor(message: string, options: ErrorOptions & { waitSeconds?: number | undefined } = {}) {
    super(message, options);
    this.waitSeconds = options.waitSeconds;
  }
}

export interface Retrying {
  /** What is tried, for the log: "the upload of x". */
  readonly what: string;
  readonly log: Log;
  /** Whether the same call may succeed a little later. */
  isTransient(error: unknown): boolean;
  /** Asked after a failure: whether something was achieved, so that the attempts are counted anew. */
  readonly hasProgressed?: () => boolean;
  /** Waits some milliseconds; tests pass their own. */
  readonly sleep?: ((milliseconds: number) => Promise<unknown>) | undefined;
  /** Ends the waiting at once, with its reason. */
  readonly signal?: AbortSignal;
}

const ATTEMPTS = 5;
/** Who asks for more is not waited for: the job's own time is limited, and a later run goes on from here. */
const LONGEST_WAIT_SECONDS = 300;

/** Tries up to five times, waiting about 1, 2, 4 and 8 seconds, each by half more or less so that jobs do not come back in step. */
export async function retry<T>(work: () => Promise<T>, retrying: Retrying): Promise<T> {
  const { what, log, isTransient, hasProgressed = () => false, signal } = retrying;
  const { sleep = (milliseconds: number) => setTimeout(milliseconds, undefined, signal && { signal }) } =
    retrying;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isTransient(error)) throw error;
      if (hasProgressed()) attempt = 1;
      const asked = error instanceof TransientError ? error.waitSeconds : undefined;
      if (attempt === ATTEMPTS || (asked ?? 0) > LONGEST_WAIT_SECONDS) throw error;
      const jitter = Math.round(1000 * 2 ** (attempt - 1) * (0.5 + Math.random()));
      const wait = Math.max(jitter, (asked ?? 0) * 1000);
      log.warning(
        `${what} failed (${messageOf(error)}); attempt ${attempt + 1} of ${ATTEMPTS} in ${wait / 1000} s`,
      );
      await sleep(wait).catch((cause: unknown) => {
        signal?.throwIfAborted();
        throw cause;
      });
    }
  }
}
