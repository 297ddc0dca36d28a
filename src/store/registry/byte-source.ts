import type { Readable } from 'node:stream';
import { UserError } from '../../lib/errors.ts';
import type { Transfer } from '../../lib/progress.ts';

/** What can be read from an offset again and again; `place` says in errors where it lies. */
interface Origin {
  readonly place: string;
  open(offset: number): Promise<Readable>;
}

/** What is sent, in parts of known length: usually one after the other, and again from where a part did not arrive. */
export class ByteSource {
  readonly #from: Origin;
  readonly #progress: Transfer;
  #stream: Readable | undefined;
  #chunks: AsyncIterator<Buffer> | undefined;
  #rest: Buffer = Buffer.alloc(0);
  /** How far it was read. */
  #at = 0;

  constructor(from: Origin, progress: Transfer) {
    this.#from = from;
    this.#progress = progress;
  }

  /** So many bytes from an offset on. @throws UserError when there are fewer: somebody shortens the file */
  async *take(offset: number, length: number): AsyncGenerator<Buffer> {
    if (this.#stream === undefined || this.#at !== offset) await this.#seek(offset);
    const stream = this.#stream;
    let left = length;
    while (left > 0) {
      const chunk = this.#rest.length > 0 ? this.#rest : await this.#next(left);
      // The request that this was for has ended, and another one reads.
      if (this.#stream !== stream) return;
      const part = chunk.subarray(0, left);
      this.#rest = chunk.subarray(part.length);
      left -= part.length;
      this.#move(part.length);
      yield part;
    }
  }

  /** Lets go of what is not read to its end; it may be read again later. */
  close(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
    this.#rest = Buffer.alloc(0);
  }

  async #seek(offset: number): Promise<void> {
    this.close();
    this.#move(offset - this.#at);
    this.#stream = await this.#from.open(offset);
    this.#chunks = this.#stream[Symbol.asyncIterator]();
  }

  /** What has to be sent again has not arrived. */
  #move(count: number): void {
    this.#at += count;
    this.#progress.moved(count);
  }

  async #next(left: number): Promise<Buffer> {
    const { value, done = true } = (await this.#chunks?.next()) ?? {};
    if (done)
      throw new UserError(
        `${this.#from.place} became shorter by ${left} bytes while it was sent; run this again when nothing writes to it`,
      );
    return value;
  }
}
