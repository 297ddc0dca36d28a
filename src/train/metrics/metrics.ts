import { messageOf } from '../../lib/errors.ts';
import type { JsonObject } from '../../lib/json.ts';
import type { MetricsLine } from '../../records/metrics-line.ts';
import type { Collected } from './collected.ts';
import { Earlier } from './earlier.ts';
import { Latest } from './latest.ts';
import { mergeInto } from './merge.ts';
import { Progress } from './progress.ts';
import { Series } from './series.ts';
import { type MetricsPlaces, sourcesOf } from './sources.ts';

/** Between two lines of the log. */
const TELL_MS = 5000;

/** The metrics of a running program, read as they come. Where sources have a metric of the same name, the first one's counts. */
export class Metrics {
  readonly #file: string;
  readonly #all: readonly Collected[];
  readonly #problems: string[] = [];
  readonly #progress: Progress;
  #next = 0;
  #isOver: boolean;
  /** What came too soon after a line of the log. */
  #untold: MetricsLine | undefined;
  readonly #earlier: Earlier;

  /** @param params the training's, for how far it is to go */
  constructor(places: MetricsPlaces, params: JsonObject = {}) {
    this.#progress = new Progress(params);
    this.#isOver = false;
    this.#earlier = new Earlier(places.earlier);
    this.#file = places.metrics;
    this.#all = sourcesOf(places);
  }

  /** The course of every metric, the segments before included; in the order of their first values. */
  get series(): ReadonlyMap<string, Series> {
    const now = this.#now;
    const joined = [...this.#earlier.series].map(([name, before]) => {
      const after = now.get(name);
      return [name, after === undefined ? before : Series.join(before, after)] as const;
    });
    return new Map([...joined, ...[...now].filter(([name]) => !this.#earlier.series.has(name))]);
  }

  /** The course of every metric in this segment, by source. */
  get #now(): ReadonlyMap<string, Series> {
    // Of two entries of a name the first gives the place, and the last gives the value.
    const entries = this.#all.flatMap(({ series }) => [...series]);
    return new Map([...entries, ...entries.toReversed()]);
  }

  /** The last value of every metric. */
  get last(): Record<string, number> {
    return Object.fromEntries([...this.series].map(([name, series]) => [name, series.last]));
  }

  /** Metrics that were NaN or infinite at some step. */
  get nonFinite(): ReadonlySet<string> {
    return new Set(this.#all.flatMap(({ nonFinite }) => [...nonFinite]));
  }

  /** What could not be used, each with its source and place; the first few of each source. */
  get problems(): readonly string[] {
    return [...this.#all.flatMap(({ problems }) => problems), ...this.#problems];
  }

  /**
   * A line for the log: how far the training is, its metrics, its rate, and the time left where that is known. Undefined for a line
   * that comes soon after another; the last of all is always told.
   */
  tell(line: MetricsLine): string | undefined {
    const now = performance.now();
    this.#untold = this.#isOver || now >= this.#next ? undefined : line;
    if (this.#untold !== undefined) return undefined;
    this.#next = now + TELL_MS;
    const total = this.#all.map(({ source }) => source.total).find((found) => found !== undefined);
    return this.#progress.tell(line, total);
  }

  /** Reads what was written since; gives the values of the newest step among it. */
  async read(): Promise<MetricsLine | undefined> {
    return this.#read(false);
  }

  /**
   * Reads the rest, after the program's end: what has no end, too. Then the metrics file has the points of all sources, each
   * metric of one. Gives the values of the newest step, unless they were told.
   */
  async finish(): Promise<MetricsLine | undefined> {
    const line = (await this.#read(true)) ?? this.#untold;
    this.#isOver = true;
    await mergeInto(this.#file, this.#all, this.#earlier, this.#now).catch((error: unknown) => {
      this.#problems.push(`the points of all sources could not be put into one file: ${messageOf(error)}`);
    });
    return line;
  }

  async #read(isOver: boolean): Promise<MetricsLine | undefined> {
    await this.#earlier.load();
    const latest = new Latest();
    for (const [index, collected] of this.#all.entries()) {
      const above = this.#all.slice(0, index);
      const isOwn = (name: string): boolean => !above.some(({ series }) => series.has(name));
      await collected.read(isOver, (line) => latest.add(line, isOwn));
    }
    return latest.line;
  }
}
