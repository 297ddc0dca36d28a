/** What a test makes go wrong in the results service, and the names of the requests that it can go wrong with. */
import { Transform } from 'node:stream';
import { type ArtifactMethod, isArtifactMethod } from './results-artifacts.ts';
import { ServiceError } from './results-blobs.ts';

export const TWIRP = '/twirp/github.actions.results.api.v1.ArtifactService/';
export const BLOBS = '/blobs/artifacts/';

export type BlobOperation = 'PutBlock' | 'PutBlockList' | 'PutBlob' | 'GetBlob';
export type Operation = ArtifactMethod | BlobOperation;

/** Something that goes wrong: with the `nth` request of that operation from now on (1 = the next), `times` times. */
export interface Fault {
  readonly on: Operation;
  readonly nth?: number;
  readonly times?: number;
  /**
   * A status: refused before anything is done. `reset`: the connection ends before anything is done.
   * `lose-answer`: it is done, and the connection ends before the answer. `corrupt`: the middle byte of a download is
   * another one. `cut`: the connection ends in the middle of a download.
   */
  readonly what: number | 'reset' | 'lose-answer' | 'corrupt' | 'cut';
}

/** Requests of every kind that fail without a plan: which, and how, is decided by the seed and their order alone. */
export interface RandomFaults {
  readonly seed: number;
  /** Of a request to fail, from 0 to 1. */
  readonly chance: number;
}

const STATUSES = [403, 429, 500, 502, 503, 504];

export class Faults {
  readonly #waiting: { on: Operation; what: Fault['what']; before: number; times: number }[] = [];
  #chance = 0;
  #state = 0;

  add({ on, what, nth = 1, times = 1 }: Fault): void {
    this.#waiting.push({ on, what, before: nth - 1, times });
  }

  /** From now on requests fail at random, or, without an argument, no more. */
  failAtRandom(faults?: RandomFaults): void {
    this.#chance = faults?.chance ?? 0;
    this.#state = faults?.seed ?? 0;
  }

  /** Counts a request, and says what goes wrong with it. */
  meet(on: Operation): Fault['what'] | undefined {
    for (const fault of this.#waiting) {
      if (fault.on !== on || fault.times === 0) continue;
      if (fault.before-- > 0) continue;
      fault.times--;
      return fault.what;
    }
    return this.#chance > 0 && this.#random() < this.#chance ? this.#any(on) : undefined;
  }

  #any(on: Operation): Fault['what'] {
    const ofThis: readonly Fault['what'][] = on === 'GetBlob' ? ['corrupt', 'cut'] : ['lose-answer'];
    const kinds: readonly Fault['what'][] = ['reset', ...ofThis, pick(STATUSES, this.#random())];
    return pick(kinds, this.#random());
  }

  /** From 0 up to 1 (mulberry32). */
  #random(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
}

function pick<T>(of: readonly T[], at: number): T {
  const { [Math.floor(at * of.length)]: picked } = of;
  if (picked === undefined) throw new RangeError(`${at} of ${of.length}`);
  return picked;
}

/** Which operation a request is, by its method and URL. */
export function operationOf(method: string, { pathname, searchParams }: URL): Operation {
  const call = pathname.startsWith(TWIRP) ? pathname.slice(TWIRP.length) : '';
  if (method === 'POST' && isArtifactMethod(call)) return call;
  if (pathname.startsWith(BLOBS)) {
    const comp = searchParams.get('comp');
    if (method === 'GET') return 'GetBlob';
    if (method === 'PUT' && comp === 'block') return 'PutBlock';
    if (method === 'PUT' && comp === 'blocklist') return 'PutBlockList';
    if (method === 'PUT' && comp === null) return 'PutBlob';
  }
  throw new ServiceError(404, 'bad_route', `no route for ${method} ${pathname}`);
}

/** The connection ends without an answer, or without the rest of it. */
export class Cut extends Error {}

/** Passes bytes on, with the one at offset `at` changed (none when `at` is undefined). */
export function changeByte(at: number | undefined): Transform {
  return touch(at, (chunk, here, done) => {
    chunk.writeUInt8(chunk.readUInt8(here) ^ 1, here);
    done(null, chunk);
  });
}

/** Passes the bytes before offset `at` on, and fails. */
export function cutAt(at: number): Transform {
  const cut = touch(at, (chunk, here, done) => {
    cut.push(chunk.subarray(0, here));
    // Later, or what was pushed is dropped.
    setImmediate(() => done(new Cut()));
  });
  return cut;
}

type Done = (error: Error | null, data?: Buffer) => void;

/** Passes chunks on, save that in which offset `at` lies: that one is handled. */
function touch(at: number | undefined, handle: (chunk: Buffer, here: number, done: Done) => void): Transform {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const here = at === undefined ? -1 : at - seen;
      seen += chunk.length;
      if (here >= 0 && here < chunk.length) handle(chunk, here, done);
      else done(null, chunk);
    },
  });
}
