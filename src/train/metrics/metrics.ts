import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { codeOf } from '../../lib/errors.ts';
import { type MetricsLine, parseMetricsLine } from './line.ts';
import { Series } from './series.ts';

/** A program that has no end of names, or of one line, must not fill our memory. */
const MAX_NAMES = 500;
const MAX_LINE = 2 ** 20;
const MAX_PROBLEMS = 5;

/** The metrics file of a running program, read as it grows. */
export class Metrics {
  readonly #path: string;
  readonly #series = new Map<string, Series>();
  readonly #problems: string[] = [];
  #problemCount = 0;
  #offset = 0;
  #line = 0;
  #rest: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#path = path;
  }

  /** The course of every metric, in the order of their first values. */
  get series(): ReadonlyMap<string, Series> {
    return this.#series;
  }

  /** The last value of every metric. */
  get last(): Record<string, number> {
    return Object.fromEntries([...this.#series].map(([name, series]) => [name, series.last]));
  }

  /** What could not be used, with the number of its line; the first few of them. */
  get problems(): readonly string[] {
    const more = this.#problemCount - this.#problems.length;
    return more === 0 ? this.#problems : [...this.#problems, `and ${more} more like these`];
  }

  /** Reads what was written since; gives the last new line. A line without its end is left for later. */
  async read(): Promise<MetricsLine | undefined> {
    const file = await openRegular(this.#path);
    if (file === undefined) return undefined;
    try {
      // A program that starts its file anew starts its metrics anew.
      if ((await file.stat()).size < this.#offset) this.#startOver();
      let last: MetricsLine | undefined;
      for (;;) {
        const { buffer, bytesRead } = await file.read({
          buffer: Buffer.alloc(1 << 16),
          position: this.#offset,
        });
        if (bytesRead === 0) return last;
        this.#offset += bytesRead;
        last = this.#take(Buffer.concat([this.#rest, buffer.subarray(0, bytesRead)])) ?? last;
      }
    } finally {
      await file.close();
    }
  }

  /** Reads the rest, after the program's end: a last line without its end, too. Gives the last new line. */
  async finish(): Promise<MetricsLine | undefined> {
    const last = await this.read();
    return (this.#rest.length > 0 ? this.#add(this.#rest) : undefined) ?? last;
  }

  #startOver(): void {
    this.#series.clear();
    this.#offset = 0;
    this.#line = 0;
    this.#rest = Buffer.alloc(0);
  }

  #take(bytes: Buffer): MetricsLine | undefined {
    let start = 0;
    let last: MetricsLine | undefined;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      last = this.#add(bytes.subarray(start, end)) ?? last;
      start = end + 1;
    }
    this.#rest = bytes.subarray(start);
    if (this.#rest.length > MAX_LINE) this.#rest = Buffer.from('(longer than 1 MiB)');
    return last;
  }

  #add(bytes: Buffer): MetricsLine | undefined {
    this.#line++;
    const text = bytes.toString('utf8').trim();
    if (text === '') return undefined;
    const line = parseMetricsLine(text);
    if (line.problem !== '') this.#report(line.problem);
    for (const [name, value] of line.values) {
      const series = this.#series.get(name) ?? this.#begin(name, value);
      series?.add(line.step, value);
    }
    return line;
  }

  #begin(name: string, value: number): Series | undefined {
    if (this.#series.size === MAX_NAMES) {
      this.#report(`has a metric more than the ${MAX_NAMES} that are kept`);
      return undefined;
    }
    const series = new Series(value);
    this.#series.set(name, series);
    return series;
  }

  #report(problem: string): void {
    if (this.#problemCount++ < MAX_PROBLEMS) this.#problems.push(`line ${this.#line} ${problem}`);
  }
}

/** Neither through a link, which may lead out, nor from a pipe, which may never end. */
async function openRegular(path: string): Promise<FileHandle | undefined> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
    return undefined;
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENXIO', 'EACCES'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}
