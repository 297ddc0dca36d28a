import type { Readable } from 'node:stream';
import { UserError } from '../../lib/errors.ts';
import type { Transfer } from '../../lib/progress.ts';

/** One stream, sent in parts of known length. */
export class ByteSource {
  readonly #stream: Readable;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #progress: Transfer;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable, progress: Transfer) {
    this.#stream = stream;
    this.#chunks = stream[Symbol.asyncIterator]();
    this.#progress = progress;
  }

  /** The next so many bytes. @throws UserError when there are fewer: somebody shortens the file */
  async *take(length: number): AsyncGenerator<Buffer> {
    let left = length;
    while (left > 0) {
      const chunk = this.#rest.length > 0 ? this.#rest : await this.#next(left);
      const part = chunk.subarray(0, left);
      this.#rest = chunk.subarray(part.length);
      left -= part.length;
      this.#progress.moved(part.length);
      yield part;
    }
  }

  /** Lets go of what is not read to its end. */
  close(): void {
    this.#stream.destroy();
  }

  async #next(left: number): Promise<Buffer> {
    const { value, done } = await this.#chunks.next();
    if (done === true) throw new UserError(`a file became shorter by ${left} bytes while it was sent`);
    return value;
  }
}
