import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { isDiskFull } from '../lib/disk-full.ts';
import { codeOf } from '../lib/errors.ts';

/** The file of all that a program prints. */
export class LogFile {
  readonly #file: FileHandle;
  /** Settles once when there is no room for more; then the rest is lost. */
  readonly full: Promise<void>;
  #tellFull: () => void = () => {};
  /** How many bytes found no room. */
  #lost = 0;
  #count = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
    this.full = new Promise((resolve) => {
      this.#tellFull = resolve;
    });
  }

  /** Opens a file to be appended to. */
  static async open(path: string): Promise<LogFile> {
    return new LogFile(await open(path, 'a'));
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** How many bytes came up to now. */
  get count(): number {
    return this.#count;
  }

  /** Keeps all of a stream, and tells every chunk to `show`. A slow disk slows the program down, not us; memory holds one chunk. */
  async copy(stream: Readable, show: (chunk: Buffer) => void): Promise<void> {
    try {
      for await (const chunk of stream) {
        this.#count += chunk.length;
        show(chunk);
        await this.#append(chunk);
      }
    } catch (error) {
      if (codeOf(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
    }
  }

  /** A program that could print no more would wait for ever, so its lines are taken also when there is no room. */
  async #append(chunk: Buffer): Promise<void> {
    try {
      if (this.#lost === 0) await this.#file.appendFile(chunk);
      else this.#lost += chunk.length;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      this.#lost += chunk.length;
      this.#tellFull();
    }
  }
}
