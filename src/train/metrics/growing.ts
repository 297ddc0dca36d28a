import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { codeOf } from '../../lib/errors.ts';
import { LineCutter } from '../../lib/lines.ts';

const CHUNK = 1 << 16;

/** A file that a program writes, read from where the last reading ended. */
export class GrowingFile {
  readonly path: string;
  offset = 0;

  constructor(path: string) {
    this.path = path;
  }

  /** Opens the file for some work; without one, or with something else in its place, nothing is done. */
  async *use<T>(work: (file: FileHandle, found: Stats) => AsyncIterable<T>): AsyncGenerator<T> {
    const file = await openRegular(this.path);
    if (file === undefined) return;
    try {
      yield* work(file, await file.stat());
    } finally {
      await file.close();
    }
  }
}

/** The lines of a file that grows, in batches. */
export class GrowingLines {
  readonly #file: GrowingFile;
  #cutter = new LineCutter();
  /** A program may write its file anew each time, and rename it into place. */
  #inode: number | undefined;

  constructor(path: string) {
    this.#file = new GrowingFile(path);
  }

  /** The new lines; `anew` when the file was begun anew. A line without its end is left until the program is over. */
  async *read(isOver: boolean): AsyncGenerator<'anew' | readonly string[]> {
    yield* this.#file.use((file, found) => this.#new(file, found));
    const rest = isOver ? this.#cutter.rest() : '';
    if (rest !== '') yield [rest];
  }

  async *#new(file: FileHandle, { size, ino }: Stats): AsyncGenerator<'anew' | readonly string[]> {
    const isOther = this.#inode !== undefined && this.#inode !== ino;
    this.#inode = ino;
    if (size < this.#file.offset || isOther) {
      this.#file.offset = 0;
      this.#cutter = new LineCutter();
      yield 'anew';
    }
    for (;;) {
      const { buffer, bytesRead } = await file.read({
        buffer: Buffer.alloc(CHUNK),
        position: this.#file.offset,
      });
      if (bytesRead === 0) return;
      this.#file.offset += bytesRead;
      const lines = this.#cutter.cut(buffer.subarray(0, bytesRead));
      if (lines.length > 0) yield lines;
    }
  }
}

/** Neither through a link, which may lead out, nor from a pipe, which may never end. Undefined where there is no file. */
export async function openRegular(path: string): Promise<FileHandle | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
    return undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'EACCES'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}
