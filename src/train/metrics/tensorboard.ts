import type { FileHandle } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { crc32c } from '../../lib/crc32c.ts';
import { lineOfValue, type MetricsLine } from '../../records/metrics-line.ts';
import { scalarsOf } from './event.ts';
import { Finder } from './find.ts';
import { GrowingFile } from './growing.ts';
import { Names } from './names.ts';
import { type Batch, problem, type Source } from './source.ts';

const MOST_FILES = 1000;
const CHUNK = 2 ** 20;
/** Length, and its checksum; behind the data there is its own. */
const [HEAD, TAIL] = [12, 4];
/** A record that is larger holds images or the like, and is passed over unread. */
const LARGEST = CHUNK - HEAD - TAIL;

/** Event files of TensorBoard: TFRecords of `tensorflow.Event`. */
export class TensorBoard implements Source {
  readonly name = 'TensorBoard';
  readonly #finder: Finder;
  readonly #files = new Map<string, EventFile>();
  readonly #names = new Names();

  /** @param folders in which event files lie, at any depth */
  constructor(folders: readonly string[]) {
    this.#finder = new Finder(folders, (name) => name.includes('events.out.tfevents.'));
  }

  async *read(isOver: boolean): AsyncGenerator<Batch> {
    const paths = await this.#finder.find(isOver);
    if (isOver && this.#finder.problem !== '') yield [problem(this.#finder.problem)];
    for (const path of paths)
      if (!this.#files.has(path) && this.#files.size < MOST_FILES)
        this.#files.set(path, new EventFile(path, this.#names));
    for (const file of this.#files.values()) yield* file.read(isOver);
  }
}

class EventFile extends GrowingFile {
  readonly #names: Names;
  /** Where something lies that is no record: nothing can be found behind it. */
  #brokenAt: number | undefined;

  constructor(path: string, names: Names) {
    super(path);
    this.#names = names;
  }

  async *read(isOver: boolean): AsyncGenerator<Batch> {
    if (this.#brokenAt !== undefined) return;
    yield* this.use((file, { size }) => this.#new(file, size));
    if (isOver && this.#brokenAt === undefined) yield* this.use((_, { size }) => this.#rest(size));
  }

  async *#new(file: FileHandle, size: number): AsyncGenerator<Batch> {
    while (this.#brokenAt === undefined && this.offset + HEAD <= size) {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(CHUNK), position: this.offset });
      const before = this.offset;
      const lines = this.#linesOf(buffer.subarray(0, bytesRead), size);
      if (lines.length > 0) yield lines;
      if (this.offset === before) return;
    }
  }

  async *#rest(size: number): AsyncGenerator<Batch> {
    if (this.offset < size) yield [problem(`${this.path} ends within a record, which is not read`)];
  }

  /** The records of a part of the file that begins at the offset, which goes on to the first that is not whole. */
  #linesOf(bytes: Buffer, size: number): MetricsLine[] {
    const lines: MetricsLine[] = [];
    for (let at = 0; at + HEAD <= bytes.length; ) {
      const length = Number(bytes.readBigUInt64LE(at));
      const next = at + HEAD + length + TAIL;
      if (!isWhole(bytes, at, 8)) return this.#break(lines);
      if (length > LARGEST) {
        if (this.offset + HEAD + length + TAIL <= size) this.offset += HEAD + length + TAIL;
        return lines;
      }
      if (next > bytes.length) return lines;
      const scalars = isWhole(bytes, at + HEAD, length)
        ? scalarsOf(bytes.subarray(at + HEAD, next - TAIL))
        : undefined;
      if (scalars === undefined) return this.#break(lines);
      const folder = dirname(this.path);
      for (const { tag, step, value } of scalars)
        lines.push(lineOfValue(step, this.#names.of(folder, basename(folder), tag), value));
      this.offset += next - at;
      at = next;
    }
    return lines;
  }

  #break(lines: readonly MetricsLine[]): MetricsLine[] {
    this.#brokenAt = this.offset;
    const told = `${this.path} has a damaged record at byte ${this.offset}; what follows in it is not read`;
    return [...lines, problem(told)];
  }
}

/** Whether bytes have the masked CRC-32C that stands behind them. */
function isWhole(bytes: Buffer, at: number, length: number): boolean {
  const value = crc32c(bytes.subarray(at, at + length));
  const masked = (((value >>> 15) | (value << 17)) + 0xa282ead8) >>> 0;
  return bytes.readUInt32LE(at + length) === masked;
}
