import { Readable } from 'node:stream';
import { type Blob, differs, hexOf, isDigest } from '../../lib/digest.ts';
import { MachineError, UserError } from '../../lib/errors.ts';
import type { Transfer } from '../../lib/progress.ts';
import { TransientError } from '../../lib/retry.ts';
import { drop, type WebAnswer } from '../../lib/web-answer.ts';
import { ByteSource } from './byte-source.ts';
import type { RegistryClient, RegistryRequest } from './client.ts';
import { sendFile } from './send.ts';

/** What is sent: so many bytes, that can be read from an offset again and again. */
export interface Sending extends Blob {
  /** Where it comes from, for people. */
  readonly place: string;
  /** A file that it is the whole of. */
  readonly file?: string;
  open(offset: number): Promise<Readable>;
}

/** The sizes of chunks that are tried when something on the way to a registry takes no larger request. */
const CHUNKS = [32 * 2 ** 20, 4 * 2 ** 20, 2 ** 19];
const OCTETS = { 'content-type': 'application/octet-stream' };
/** The specification has 202 for a chunk and 201 for the end; ECR has 201 for both. */
const TAKEN: ReadonlySet<number> = new Set([200, 201, 202, 204]);
/** Answers with which something on the way says that it does not take a whole blob at once. */
const TOO_MUCH_AT_ONCE: ReadonlySet<number> = new Set([404, 405, 411, 413, 415, 501]);

/** Who sees how far a transfer is, and ends it. */
export interface Watch {
  readonly progress: Transfer;
  readonly signal: AbortSignal;
}

/** An upload that the registry has begun. */
interface Session {
  readonly url: URL;
  readonly offset: number;
}

/**
 * Uploads a blob (OCI distribution specification 1.1, "Pushing a blob"): at once where the registry takes that, in chunks
 * where it does not. After a break it goes on from where the registry says that it is.
 */
export class Upload {
  readonly #client: RegistryClient;
  readonly #sending: Sending;
  readonly #watch: Watch;
  readonly #source: ByteSource;
  readonly #what: string;
  #url: URL | undefined;
  #offset = 0;
  #failures = 0;
  /** The least that the registry takes as a chunk. */
  #least = 0;
  /** What it said to have when this went on after a break. */
  #resumedAt = 0;

  constructor(client: RegistryClient, sending: Sending, watch: Watch) {
    this.#client = client;
    this.#sending = sending;
    this.#watch = watch;
    this.#source = new ByteSource(sending, watch.progress);
    this.#what = `the upload of ${hexOf(sending.digest, 12)}`;
  }

  /** @throws UserError when the content is not what its digest says, MachineError when it does not go through */
  async run(): Promise<void> {
    let seen = 0;
    const hasProgressed = (): boolean => {
      const more = this.#offset > seen;
      seen = Math.max(seen, this.#offset);
      return more;
    };
    await this.#client.web.retry(this.#what, () => this.#attempt(), hasProgressed);
  }

  async #attempt(): Promise<void> {
    try {
      const session = (await this.#resume()) ?? (await this.#begin());
      if (session.offset === 0 && this.#client.takesWhole) return await this.#sendWhole(session);
      await this.#sendRest(session);
    } catch (error) {
      // A proxy may end a connection instead of saying that a request is too large for it.
      if (error instanceof TransientError && ++this.#failures > 1 && this.#offset === 0) this.#makeSmaller();
      throw error;
    } finally {
      // Nothing is held open while the next attempt is waited for.
      this.#source.close();
    }
  }

  async #begin(): Promise<Session> {
    const answer = await this.#client.once({ method: 'POST', path: 'blobs/uploads/' });
    await this.#client.expect(this.#what, answer, [202, 200, 201]);
    this.#offset = 0;
    this.#resumedAt = 0;
    this.#least = Number(answer.headers['oci-chunk-min-length'] ?? 0);
    return this.#sessionOf(answer, 0);
  }

  /** Where an upload that broke off stands; undefined when there is none, or the registry has nothing of it. */
  async #resume(): Promise<Session | undefined> {
    if (this.#url === undefined) return undefined;
    const url = this.#url;
    const answer = await this.#client.once({ method: 'GET', url, pushes: true });
    const offset = TAKEN.has(answer.status) ? endOf(answer.headers.range) : 0;
    this.#offset = 0;
    this.#url = undefined;
    if (offset > 0 && offset <= this.#sending.size) {
      this.#offset = offset;
      this.#resumedAt = offset;
      return this.#sessionOf(answer, offset, url);
    }
    await drop(answer);
    return undefined;
  }

  async #sessionOf(answer: WebAnswer, offset: number, before?: URL): Promise<Session> {
    await drop(answer);
    this.#url = this.#client.locationOf(this.#what, answer, before);
    return { url: this.#url, offset };
  }

  async #sendWhole(session: Session): Promise<void> {
    const { size } = this.#sending;
    const answer = await this.#put(session.url, size);
    if (TAKEN.has(answer.status)) return this.#finish(answer);
    const error = await this.#refused(answer);
    if (error instanceof TransientError || !TOO_MUCH_AT_ONCE.has(answer.status)) throw error;
    this.#makeSmaller();
    await this.#sendRest(await this.#begin());
  }

  async #sendRest(begun: Session): Promise<void> {
    const { size } = this.#sending;
    let session = begun;
    while (session.offset < size) {
      const { offset, url } = session;
      const length = Math.min(size - offset, Math.max(this.#client.chunkBytes, this.#least));
      const answer = await this.#client.once({
        method: 'PATCH',
        url,
        headers: {
          ...OCTETS,
          'content-length': String(length),
          'content-range': `${offset}-${offset + length - 1}`,
        },
        body: async () => Readable.from(this.#source.take(offset, length)),
      });
      if (!TAKEN.has(answer.status)) throw await this.#refused(answer, length);
      this.#offset = offset + length;
      // What `Range` says here is not to be trusted: ECR's stays at the end of the first chunk.
      session = await this.#sessionOf(answer, this.#offset, url);
    }
    const answer = await this.#put(session.url, 0);
    if (!TAKEN.has(answer.status)) throw await this.#refused(answer);
    await this.#finish(answer);
  }

  /** Ends the upload, with its last bytes: all of them, or none. */
  async #put(url: URL, length: number): Promise<WebAnswer> {
    const closing = new URL(url);
    // Put behind what is there, which may be signed as it is written.
    closing.search += `${closing.search === '' ? '?' : '&'}digest=${encodeURIComponent(this.#sending.digest)}`;
    const headers = { ...OCTETS, 'content-length': String(length) };
    const request = { method: 'PUT', url: closing, headers } as const;
    if (length === 0) return this.#client.once({ ...request, body: async () => Buffer.alloc(0) });
    const answer = await this.#sendFile(request, length);
    if (answer !== undefined) return answer;
    return this.#client.once({ ...request, body: async () => Readable.from(this.#source.take(0, length)) });
  }

  async #sendFile(request: RegistryRequest, size: number): Promise<WebAnswer | undefined> {
    const { file } = this.#sending;
    if (file === undefined) return undefined;
    const { progress, signal } = this.#watch;
    let sent = 0;
    const moved = (count: number): void => {
      sent += count;
      progress.moved(count);
    };
    let isTaken = false;
    try {
      const prepared = await this.#client.prepare(request);
      const watch = { progress: { ...progress, moved }, signal };
      const answer = await sendFile(this.#client, prepared, { file, size }, watch);
      isTaken = answer !== undefined;
      return answer;
    } finally {
      // What has arrived of it is told by the registry, and counted then.
      if (!isTaken) progress.moved(-sent);
    }
  }

  async #finish(answer: WebAnswer): Promise<void> {
    await drop(answer);
    const told = answer.headers['docker-content-digest'] ?? this.#sending.digest;
    if (told === this.#sending.digest) return;
    const found = isDigest(told) ? told : undefined;
    throw found === undefined
      ? new MachineError(
          `${this.#client.name} answers an upload with ${JSON.stringify(told)} instead of its digest`,
        )
      : differs(this.#client.name, this.#sending.digest, found);
  }

  /** The error for an answer that was not wanted; transient where another attempt, of another form, may be taken. */
  async #refused(answer: WebAnswer, chunk = 0): Promise<Error> {
    const { status } = answer;
    const error = await this.#client.refusal(this.#what, answer);
    const isTooLarge = status === 413 || (status === 416 && /too large|limit/i.test(error.message));
    if (isTooLarge && chunk > 0 && this.#makeSmaller(chunk)) return new TransientError(error.message);
    const wasResumed = this.#resumedAt > 0;
    this.#url = undefined;
    this.#offset = 0;
    if (status === 401 || status === 403) return error;
    // What the registry has is not what it was sent for, or no longer there: the next attempt begins anew.
    if (wasResumed || status === 416 || /UPLOAD_(UNKNOWN|INVALID)/.test(error.message))
      return new TransientError(error.message);
    if (status === 400 && /digest/i.test(error.message))
      return new UserError(
        `${error.message}: ${this.#sending.place} changed while it was sent; run this again when nothing writes to it`,
      );
    return error;
  }

  /** Has this and later uploads bring less at a time; false when nothing smaller is left. */
  #makeSmaller(than = Number.POSITIVE_INFINITY): boolean {
    const most = Math.min(than, this.#client.chunkBytes);
    const smaller = CHUNKS.find((size) => size < most);
    if (than === Number.POSITIVE_INFINITY) this.#client.takesWhole = false;
    if (smaller !== undefined) this.#client.chunkBytes = smaller;
    return smaller !== undefined;
  }
}

/** How many bytes a registry has: `Range: 0-99` says 100. It says `0-0` also when it has none. */
function endOf(range: string | undefined): number {
  const end = Number(/^(?:bytes[= ])?0-(\d+)$/.exec(range ?? '')?.[1] ?? 0);
  return end === 0 ? 0 : end + 1;
}
