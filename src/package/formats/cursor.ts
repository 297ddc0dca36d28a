import { type ModelFile, Unfit } from './format.ts';

const SMALLEST = 64 * 1024;
const LARGEST = 4 * 2 ** 20;

/**
 * Reads a file's headers from front to back through a window: what is skipped is not read, and what is read in one go is
 * read in growing steps. No length that the file claims is believed before it was held against the file's size.
 */
export class Cursor {
  readonly #file: ModelFile;
  #window: Buffer = Buffer.alloc(0);
  #start = 0;
  #step = SMALLEST;
  /** From the beginning of the file, in bytes. */
  position = 0;

  constructor(file: ModelFile) {
    this.#file = file;
  }

  get size(): number {
    return this.#file.size;
  }

  /** The bytes from the position on that are at hand: at least `count`, or all up to the end of the file. */
  async ahead(count: number): Promise<Buffer> {
    const wanted = Math.min(count, this.#file.size - this.position);
    if (this.#at(wanted) === undefined) await this.#fill(wanted);
    return this.#window.subarray(this.position - this.#start);
  }

  /** The next bytes. @throws Unfit where the file ends before */
  async take(count: number): Promise<Buffer> {
    this.#mustHave(count);
    const bytes = (await this.ahead(count)).subarray(0, count);
    this.position += count;
    return bytes;
  }

  /** Passes over bytes without reading them. @throws Unfit where the file ends before */
  skip(count: number): void {
    this.#mustHave(count);
    this.position += count;
  }

  async uint32(): Promise<number> {
    return (await this.take(4)).readUInt32LE();
  }

  /** @throws Unfit for a number that no file's size, count or offset can be */
  async uint64(): Promise<number> {
    const value = (await this.take(8)).readBigUInt64LE();
    if (value > BigInt(Number.MAX_SAFE_INTEGER))
      throw new Unfit(`says ${value} at byte ${this.position - 8}, which no size can be; write it again`);
    return Number(value);
  }

  #at(count: number): Buffer | undefined {
    const from = this.position - this.#start;
    return from >= 0 && from + count <= this.#window.length ? this.#window : undefined;
  }

  async #fill(count: number): Promise<void> {
    const goesOn = this.position >= this.#start && this.position <= this.#start + this.#window.length;
    this.#step = goesOn ? Math.min(this.#step * 2, LARGEST) : SMALLEST;
    const length = Math.min(Math.max(count, this.#step), this.#file.size - this.position);
    const window = await this.#file.peek(this.position, length);
    if (window.length < count)
      throw new Unfit(
        `is cut off: its store has ${this.position + window.length} bytes of ${this.#file.size}`,
      );
    this.#window = window;
    this.#start = this.position;
  }

  #mustHave(count: number): void {
    if (this.position + count > this.#file.size)
      throw new Unfit(
        `is cut off: at byte ${this.position} it says that ${count} more follow, and it has ${this.#file.size} in all; let the trainer write it again`,
      );
  }
}
