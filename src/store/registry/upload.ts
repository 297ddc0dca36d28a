import { Readable } from 'node:stream';
import { type Blob, differs, hexOf, isDigest } from '../../lib/digest.ts';
import { MachineError, UserError } from '../../lib/errors.ts';
import type { Transfer } from '../../lib/progress.ts';
import { TransientError } from '../../lib/retry.ts';
import { drop, type WebAnswer } from '../../lib/web.ts';
import { ByteSource } from './byte-source.ts';
import type { RegistryClient } from './client.ts';

/** What is sent: so many bytes, that can be read from an offset again and again. */
export interface Sending extends Blob {
  open(offset: number): Promise<Readable>;
}

/** The sizes of chunks that are tried when something on the way to a registry takes no larger request. */
const CHUNKS = [32 * 2 ** 20, 4 * 2 ** 20, 2 ** 19];
const OCTETS = { 'content-type': 'application/octet-stream' };
/** Answers with which something on the way says that it does not take a whole blob at once. */
const TOO_MUCH_AT_ONCE = new Set([404, 405, 411, 413, 415, 501]);

/** An upload that the registry has begun. */
interface Session {
  readonly url: URL;
  readonly offset: number;
  /** The least that the registry takes as a chunk. */
  readonly least: number;
}

/**
 * Uploads a blob (OCI distribution specification 1.1, "Pushing a blob"): at once where the registry takes that, in chunks
 * where it does not. After a break it goes on from where the registry says that it is.
 */
export class Upload {
  readonly #client: RegistryClient;
  readonly #sending: Sending;
  readonly #progress: Transfer;
  readonly #what: string;
  #url: URL | undefined;
  #offset = 0;
  #failures = 0;

  constructor(client: RegistryClient, sending: Sending, progress: Transfer) {
    this.#client = client;
    this.#sending = sending;
    this.#progress = progress;
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
      if (session.offset === 0 && this.#client.chunkBytes === undefined)
        return await this.#sendWhole(session);
      await this.#sendRest(session);
    } catch (error) {
      // A proxy may end a connection instead of saying that a request is too large for it.
      if (error instanceof TransientError && ++this.#failures > 1 && this.#offset === 0) this.#makeSmaller();
      throw error;
    }
  }

  async #begin(): Promise<Session> {
    const answer = await this.#client.once({ method: 'POST', path: 'blobs/uploads/' });
    await this.#client.expect(this.#what, answer, [202]);
    this.#offset = 0;
    return this.#sessionOf(answer, 0);
  }

  /** Where an upload that broke off stands; undefined when there is none, or the registry has forgotten it. */
  async #resume(): Promise<Session | undefined> {
    if (this.#url === undefined) return undefined;
    const answer = await this.#client.once({ method: 'GET', url: this.#url });
    if (answer.status === 204 || answer.status === 202) {
      this.#offset = endOf(answer.headers.range);
      return this.#sessionOf(answer, this.#offset);
    }
    await drop(answer);
    this.#url = undefined;
    return undefined;
  }

  async #sessionOf(answer: WebAnswer, offset: number): Promise<Session> {
    await drop(answer);
    this.#url = this.#client.locationOf(this.#what, answer);
    return { url: this.#url, offset, least: Number(answer.headers['oci-chunk-min-length'] ?? 0) };
  }

  async #sendWhole(session: Session): Promise<void> {
    const source = new ByteSource(await this.#sending.open(0), this.#progress);
    const { size } = this.#sending;
    const answer = await this.#put(session.url, size, () => source.take(size)).finally(() => source.close());
    if (answer.status === 201) return this.#finish(answer);
    if (!TOO_MUCH_AT_ONCE.has(answer.status)) throw await this.#refused(answer);
    await drop(answer);
    this.#makeSmaller();
    await this.#sendRest(await this.#begin());
  }

  async #sendRest(begun: Session): Promise<void> {
    const { size } = this.#sending;
    const source = new ByteSource(await this.#sending.open(begun.offset), this.#progress);
    let session = begun;
    try {
      while (session.offset < size) {
        const chunk = Math.max(this.#client.chunkBytes ?? size, session.least);
        const end = Math.min(size, session.offset + chunk);
        const length = end - session.offset;
        const answer = await this.#client.once({
          method: 'PATCH',
          url: session.url,
          headers: {
            ...OCTETS,
            'content-length': String(length),
            'content-range': `${session.offset}-${end - 1}`,
          },
          body: async () => Readable.from(source.take(length)),
        });
        if (answer.status === 413 && this.#makeSmaller())
          throw new TransientError(`${this.#what}: a chunk was too large`);
        if (answer.status !== 202 && answer.status !== 204) throw await this.#refused(answer);
        this.#offset = end;
        session = await this.#sessionOf(answer, end);
      }
    } finally {
      source.close();
    }
    const answer = await this.#put(session.url, 0, async function* () {});
    if (answer.status !== 201) throw await this.#refused(answer);
    await this.#finish(answer);
  }

  async #put(url: URL, length: number, body: () => AsyncGenerator<Buffer>): Promise<WebAnswer> {
    const closing = new URL(url);
    closing.searchParams.set('digest', this.#sending.digest);
    const headers = { ...OCTETS, 'content-length': String(length) };
    return this.#client.once({
      method: 'PUT',
      url: closing,
      headers,
      body: async () => Readable.from(body()),
    });
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

  /** What the registry has is not what it was sent for: it is forgotten, so that the next attempt begins anew. */
  async #refused(answer: WebAnswer): Promise<Error> {
    const wasResumed = this.#offset > 0;
    this.#url = undefined;
    this.#offset = 0;
    const error = await this.#client.refusal(this.#what, answer);
    if (
      answer.status === 416 ||
      (wasResumed && answer.status >= 400 && answer.status !== 401 && answer.status !== 403)
    )
      return new TransientError(error.message);
    if (answer.status === 400 && /DIGEST|digest/.test(error.message))
      return new UserError(
        `${error.message}: the content changed while it was sent; run this again when nothing writes to it`,
      );
    return error;
  }

  /** Has this and later uploads bring less at a time; false when nothing smaller is left. */
  #makeSmaller(): boolean {
    const smaller = CHUNKS.find((size) => size < (this.#client.chunkBytes ?? Number.POSITIVE_INFINITY));
    if (smaller !== undefined) this.#client.chunkBytes = smaller;
    this.#url = undefined;
    return smaller !== undefined;
  }
}

/** How many bytes a registry has: `Range: 0-99` says 100. It says `0-0` also when it has none. */
function endOf(range: string | undefined): number {
  const end = Number(/^(?:bytes[= ])?0-(\d+)$/.exec(range ?? '')?.[1] ?? 0);
  return end === 0 ? 0 : end + 1;
}
