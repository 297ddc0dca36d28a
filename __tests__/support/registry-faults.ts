/** What a test makes go wrong in the registry: the nth request of an operation, or any at random. */
import type { Operation, SeenRequest } from './registry-routes.ts';

/**
 * How a request fails.
 * - a status, or a status with `Retry-After` (seconds, or a date): refused before anything is done.
 * - `reset`: the connection ends before anything is done. `lose-answer`: it is done, and the connection ends before the answer.
 * - `cutRequest`, `cutResponse`: the connection ends after so many bytes of the body of either; `stallResponse`: after so many, nothing
 *   more comes, and the connection stays.
 * - `damage`: the middle byte of the answer's body is another one. `shorter`, `longer`: it has a byte less or more, and the answer
 *   says so.
 * - `wrong-digest`: `Docker-Content-Digest` names something else. `ignore-range`: the whole instead of a part.
 * - `moveTag`: from the answer on, the tag that was asked for names the manifest of this digest. `delay`: it takes so many
 *   milliseconds longer.
 */
export type Failure =
  | number
  | { readonly status: number; readonly retryAfter: number | Date }
  | 'reset'
  | 'lose-answer'
  | { readonly cutRequest: number }
  | { readonly cutResponse: number }
  | { readonly stallResponse: number }
  | 'damage'
  | 'shorter'
  | 'longer'
  | 'wrong-digest'
  | 'ignore-range'
  | { readonly moveTag: string }
  | { readonly delay: number };

/** Goes wrong with the `nth` request of that operation from now on (1 = the next), `times` times. */
export interface Fault {
  readonly on: Operation;
  readonly nth?: number;
  readonly times?: number;
  readonly what: Failure;
}

export interface RandomFaults {
  /** The same seed gives the same failures for the same requests in the same order. */
  readonly seed: number;
  /** How often a request fails: 0 never, 1 always. */
  readonly probability: number;
  /** The operations that fail; default all. */
  readonly on?: readonly Operation[];
}

export class Faults {
  #waiting: { on: Operation; what: Failure; before: number; times: number }[] = [];
  #random: { draw: () => number; options: RandomFaults } | undefined;
  /** What went wrong so far. */
  readonly met: { readonly on: Operation; readonly what: Failure }[] = [];

  add({ on, what, nth = 1, times = 1 }: Fault): void {
    this.#waiting.push({ on, what, before: nth - 1, times });
  }

  /** From now on, requests fail at random, in every way that theirs can. */
  random(options: RandomFaults): void {
    this.#random = { draw: generator(options.seed), options };
  }

  /** From now on nothing goes wrong. */
  clear(): void {
    this.#waiting = [];
    this.#random = undefined;
  }

  /** Counts a request, and says what goes wrong with it. */
  meet(request: SeenRequest): Failure | undefined {
    const what = this.#planned(request.operation) ?? this.#drawn(request);
    if (what !== undefined) this.met.push({ on: request.operation, what });
    return what;
  }

  #planned(on: Operation): Failure | undefined {
    for (const fault of this.#waiting) {
      if (fault.on !== on || fault.times === 0) continue;
      if (fault.before-- > 0) continue;
      fault.times--;
      return fault.what;
    }
    return undefined;
  }

  #drawn(request: SeenRequest): Failure | undefined {
    if (this.#random === undefined) return undefined;
    const { draw, options } = this.#random;
    if (!(options.on?.includes(request.operation) ?? true) || draw() >= options.probability) return undefined;
    const ways = waysOf(request, draw);
    return ways[Math.floor(draw() * ways.length)];
  }
}

const DOWNLOADS: readonly Operation[] = ['getBlob', 'getRedirected', 'getManifest'];

/** All that can befall a request; sizes are drawn too. */
function waysOf({ operation, headers }: SeenRequest, draw: () => number): readonly Failure[] {
  const { 'content-length': announced = '0' } = headers;
  const length = Number(announced);
  const ways: Failure[] = [
    500,
    502,
    503,
    { status: 429, retryAfter: 1 },
    'reset',
    'lose-answer',
    { delay: 50 },
  ];
  if (length > 0) ways.push({ cutRequest: Math.floor(draw() * length) });
  if (DOWNLOADS.includes(operation))
    ways.push('damage', 'shorter', { cutResponse: Math.floor(draw() * 65_536) });
  if ('range' in headers) ways.push('ignore-range');
  if (operation === 'headManifest' || operation === 'getManifest') ways.push('wrong-digest');
  return ways;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
