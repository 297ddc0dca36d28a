import type { Digest } from '../lib/digest.ts';
import type { HttpPlace } from '../lib/http.ts';

/** What a target says of the release that it serves. */
export interface Serving {
  readonly release: Digest;
  /** Whether it is up, and just as this deploy would start it (address and secrets included). */
  readonly asWanted: boolean;
}

/**
 * Where a release runs, as the rollout sees it. One release serves; another one can be started beside it, take its place on
 * trial, and then keep it or give it back.
 */
export interface Target {
  /** For people and programs: where the model is served. */
  readonly endpoint: string;
  /** The same, as this machine reaches it. */
  readonly public: HttpPlace;
  /** Undefined when nothing serves. */
  serving(): Promise<Serving | undefined>;
  /**
   * Starts the release beside what serves, and gives the place where it alone answers.
   * Throws Refused when it does not become ready, UserError when the target can't take it at all; nothing has changed then.
   */
  start(signal: AbortSignal): Promise<HttpPlace>;
  switch(): Promise<void>;
  /** What served before begins to end, as does the other one below: first what is in hand is answered. */
  commit(): Promise<void>;
  /** What served before serves again, and the new one ends. */
  revert(): Promise<void>;
  /** The new one ends before it served. */
  abandon(): Promise<void>;
}

/** The release is not fit to serve; what served before goes on. */
export class Refused extends Error {
  override name = 'Refused';
  /** The last lines that the server printed, where they tell more. */
  readonly lines: readonly string[];

  constructor(message: string, lines: readonly string[] = []) {
    super(message);
    this.lines = lines;
  }
}
