import { join } from 'node:path';
import { messageOf } from '../../lib/errors.ts';
import type { JsonObject } from '../../lib/json.ts';
import type { MetricsLine } from '../../records/metrics-line.ts';
import { Collected } from './collected.ts';
import { HuggingFace } from './hugging-face.ts';
import { JsonLines } from './json-lines.ts';
import { Latest } from './latest.ts';
import { mergeInto } from './merge.ts';
import { MlflowFolder } from './mlflow.ts';
import { Progress } from './progress.ts';
import type { Series } from './series.ts';
import type { Source } from './source.ts';
import { TensorBoard } from './tensorboard.ts';

/** Where a program may write metrics. */
export interface MetricsPlaces {
  /** JSON Lines; in the end it has the points of all sources. Files of ours lie beside it. */
  readonly metrics: string;
  readonly output: string;
  readonly checkpoints: string;
  /** The folder that MLFLOW_TRACKING_URI names, where it is ours. */
  readonly mlflow: string;
  /** The folder that the program is started in. */
  readonly directory: string;
}

/** The metrics of a running program, read as they come. Where sources have a metric of the same name, the first one's counts. */
export class Metrics {
  readonly #file: string;
  readonly #all: readonly Collected[];
  readonly #problems: string[] = [];
  readonly #progress: Progress;

  /** @param params the training's, for how far it is to go */
  constructor({ metrics, output, checkpoints, mlflow, directory }: MetricsPlaces, params: JsonObject = {}) {
    this.#progress = new Progress(params);
    this.#file = metrics;
    const logs = ['runs', 'lightning_logs'].map((name) => join(directory, name));
    const collect = (source: Source, name: string): Collected =>
      new Collected(source, `${metrics}.${name}.jsonl`);
    this.#all = [
      new Collected(new JsonLines(metrics), undefined),
      collect(new HuggingFace([checkpoints, output]), 'hugging-face'),
      collect(new MlflowFolder(mlflow), 'mlflow'),
      collect(new TensorBoard([output, checkpoints, ...logs]), 'tensorboard'),
    ];
  }

  /** The course of every metric, by source, in the order of their first values. */
  get series(): ReadonlyMap<string, Series> {
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

  /** A line for the log: how far the training is, its metrics, its rate, and the time left where that is known. */
  tell(line: MetricsLine): string | undefined {
    const total = this.#all.map(({ source }) => source.total).find((found) => found !== undefined);
    return this.#progress.tell(line, total);
  }

  /** Reads what was written since; gives the values of the newest step among it. */
  async read(): Promise<MetricsLine | undefined> {
    return this.#read(false);
  }

  /**
   * Reads the rest, after the program's end: what has no end, too. Then the metrics file has the points of all sources, each
   * metric of one. Gives the values of the newest step.
   */
  async finish(): Promise<MetricsLine | undefined> {
    const line = await this.#read(true);
    await mergeInto(this.#file, this.#all).catch((error: unknown) => {
      this.#problems.push(`the points of all sources could not be put into one file: ${messageOf(error)}`);
    });
    return line;
  }

  async #read(isOver: boolean): Promise<MetricsLine | undefined> {
    const latest = new Latest();
    for (const [index, collected] of this.#all.entries()) {
      const above = this.#all.slice(0, index);
      const isOwn = (name: string): boolean => !above.some(({ series }) => series.has(name));
      await collected.read(isOver, (line) => latest.add(line, isOwn));
    }
    return latest.line;
  }
}
