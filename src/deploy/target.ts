import type { Digest } from '../lib/digest.ts';
import type { HttpAnswer, HttpRequest } from '../lib/http.ts';

/** Asks a server. Rejects with MachineError when there is no whole answer in time. */
export type Ask = (wanted: HttpRequest) => Promise<HttpAnswer>;

/** What a target says of the release that it serves. */
export interface Serving {
  readonly release: Digest;
  /** Whether it is up, and just as this deploy would start it (address and secrets included). */
  readonly asWanted: boolean;
}

/**
 * Where a release runs, as the rollout sees it. One release serves; another one can be started beside it, take its place on
 * trial, and then keep it or give it back. Every verb may be called again after a deploy that was killed in the midst of it.
 */
export interface Target {
  /** For people and programs: where the model is served. */
  readonly endpoint: string;
  /** Asks what users ask: the release's own address, and once it is given up, that of what serves instead. */
  readonly public: Ask;
  /** Undefined when nothing serves. */
  serving(): Promise<Serving | undefined>;
  /**
   * Proves by the target's own means that what answers in public is a release, up and just as it was rendered; gives a word
   * on how. Throws Refused with what was found instead, the reason of `signal` when aborted.
   */
  identify(release: Digest, signal?: AbortSignal): Promise<string>;
  /**
   * Starts the release beside what serves, and gives the way to ask it alone.
   * Throws Refused when it does not become ready, UserError when the target can't take it at all; nothing has changed then.
   */
  start(signal: AbortSignal): Promise<Ask>;
  /** It serves from now on; what served before stays up. */
  switch(): Promise<void>;
  /** What served before begins to end, as does the other one below: first what is in hand is answered. */
  commit(): Promise<void>;
  /** What served before serves again, and the new one ends. Nothing to do where there was no switch. */
  revert(): Promise<void>;
  /** The new one ends before it served. Nothing to do where there is none. */
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
