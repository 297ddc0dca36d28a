import { appendFile, rm } from 'node:fs/promises';
import { messageOf } from '../../lib/errors.ts';
import { type MetricsLine, textOf } from '../../records/metrics-line.ts';
import { Series } from './series.ts';
import { MAX_NAMES, type Source } from './source.ts';

const MAX_PROBLEMS = 5;

/** What came of one source up to now. */
export class Collected {
  readonly source: Source;
  readonly series = new Map<string, Series>();
  readonly nonFinite = new Set<string>();
  readonly #spool: string | undefined;
  /** How many lines it has. */
  #spooled = 0;
  readonly #problems: string[] = [];
  #problemCount = 0;

  /** @param spool a file of ours for all points as JSON Lines; undefined where the source itself is one */
  constructor(source: Source, spool: string | undefined) {
    this.source = source;
    this.#spool = spool;
  }

  /** The file with all points, where there is one. */
  get spool(): string | undefined {
    return this.#spooled > 0 ? this.#spool : undefined;
  }

  get problems(): readonly string[] {
    const more = this.#problemCount - this.#problems.length;
    return more === 0
      ? this.#problems
      : [...this.#problems, `${this.source.name}: and ${more} more like these`];
  }

  /** Reads what is new; tells every line to `onLine`. */
  async read(isOver: boolean, onLine: (line: MetricsLine) => void): Promise<void> {
    for await (const batch of this.source.read(isOver)) {
      if (batch === 'anew') {
        await this.#startOver();
        continue;
      }
      for (const line of batch) {
        this.#add(line);
        onLine(line);
      }
      await this.#keep(batch);
    }
  }

  async #startOver(): Promise<void> {
    this.series.clear();
    this.nonFinite.clear();
    if (this.#spool !== undefined) await rm(this.#spool, { force: true });
    this.#spooled = 0;
  }

  #add(line: MetricsLine): void {
    if (line.problem !== '') this.#report(line.problem);
    for (const name of line.nonFinite) if (this.nonFinite.size < MAX_NAMES) this.nonFinite.add(name);
    for (const [name, value] of line.values)
      (this.series.get(name) ?? this.#begin(name, value))?.add(line.step, value);
  }

  #begin(name: string, value: number): Series | undefined {
    if (this.series.size === MAX_NAMES) {
      this.#report(`has a metric more than the ${MAX_NAMES} that are kept`);
      return undefined;
    }
    const series = new Series(value);
    this.series.set(name, series);
    return series;
  }

  async #keep(lines: readonly MetricsLine[]): Promise<void> {
    const kept = lines.filter(({ values }) => values.length > 0);
    if (this.#spool === undefined || kept.length === 0) return;
    try {
      await appendFile(this.#spool, kept.map(textOf).join(''));
      this.#spooled += kept.length;
    } catch (error) {
      // A disk that is full ends the program, if anything; not the reading of it.
      this.#report(`some of its points are kept in no series of the Run: ${messageOf(error)}`);
    }
  }

  #report(problem: string): void {
    if (this.#problemCount++ < MAX_PROBLEMS) this.#problems.push(`${this.source.name}: ${problem}`);
  }
}
