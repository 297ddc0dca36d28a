import { appendFile, rename, stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';

/** A log of bounded size: the file, and the one before it as `NAME.1`. */
export class LogFile {
  readonly #path: string;
  readonly #limit: number;
  #size: number | undefined;
  #last: Promise<void> = Promise.resolve();

  /** @param limit bytes of one file; both together have twice as many */
  constructor(path: string, limit = 5 * 2 ** 20) {
    this.#path = path;
    this.#limit = limit;
  }

  /** Adds a line with its time. A log that can't be written stops nothing. */
  write(line: string): Promise<void> {
    this.#last = this.#last.then(() => this.#append(`${new Date().toISOString()} ${line}\n`)).catch(() => {});
    return this.#last;
  }

  async #append(text: string): Promise<void> {
    this.#size ??= await stat(this.#path).then(
      ({ size }) => size,
      () => 0,
    );
    const bytes = Buffer.byteLength(text);
    if (this.#size > 0 && this.#size + bytes > this.#limit) {
      await rename(this.#path, `${this.#path}.1`);
      this.#size = 0;
    }
    await appendFile(this.#path, text, { mode: 0o600 });
    this.#size += bytes;
  }
}

const LONGEST = 16 * 1024;

/** The lines of a stream as text; one without an end is cut into pieces of 16 KiB. */
export async function* linesOf(stream: Readable): AsyncGenerator<string> {
  let rest = '';
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
    for (; rest.length > LONGEST; rest = rest.slice(LONGEST)) yield rest.slice(0, LONGEST);
  }
  if (rest !== '') yield rest;
}
