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
   * another one.
   */
  readonly what: number | 'reset' | 'lose-answer' | 'corrupt';
}

export class Faults {
  readonly #waiting: { on: Operation; what: Fault['what']; before: number; times: number }[] = [];

  add({ on, what, nth = 1, times = 1 }: Fault): void {
    this.#waiting.push({ on, what, before: nth - 1, times });
  }

  /** Counts a request, and says what goes wrong with it. */
  meet(on: Operation): Fault['what'] | undefined {
    for (const fault of this.#waiting) {
      if (fault.on !== on || fault.times === 0) continue;
      if (fault.before-- > 0) continue;
      fault.times--;
      return fault.what;
    }
    return undefined;
  }
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

/** Passes bytes on, with the one at offset `at` changed (none when `at` is undefined). */
export function changeByte(at: number | undefined): Transform {
  let seen = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const here = at === undefined ? -1 : at - seen;
      seen += chunk.length;
      if (here >= 0 && here < chunk.length) chunk.writeUInt8(chunk.readUInt8(here) ^ 1, here);
      done(null, chunk);
    },
  });
}
