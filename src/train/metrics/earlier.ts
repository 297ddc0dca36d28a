import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import type { Digest } from '../../lib/digest.ts';
import { type MetricsLine, parseMetricsLine } from '../../records/metrics-line.ts';
import { METRICS_LAYER, run } from '../../records/run.ts';
import { findRecord } from '../../store/records.ts';
import type { Store } from '../../store/store.ts';
import { GrowingLines } from './growing.ts';
import { Series } from './series.ts';
import { MAX_NAMES } from './source.ts';

/** The metrics of the segments before this one: what was computed again since counts as it is now. */
export class Earlier {
  readonly #path: string;
  #series: Map<string, Series> | undefined;

  /** @param path JSON Lines; without the file there was no segment before */
  constructor(path: string) {
    this.#path = path;
  }

  get series(): ReadonlyMap<string, Series> {
    return this.#series ?? new Map<string, Series>();
  }

  /** Reads the file, once. */
  async load(): Promise<void> {
    if (this.#series !== undefined) return;
    const all = new Map<string, Series>();
    this.#series = all;
    for await (const { step, values } of this.#lines())
      for (const [name, value] of values) {
        const series = all.get(name) ?? new Series(value);
        if (all.size < MAX_NAMES) all.set(name, series);
        series.add(step, value);
      }
  }

  /**
   * What counts of it still.
   * @param now the course of every metric in this segment
   */
  async *lines(now: ReadonlyMap<string, Series>): AsyncGenerator<MetricsLine> {
    for await (const line of this.#lines()) {
      const values = line.values.filter(([name]) => {
        const begin = now.get(name)?.begin;
        return begin === undefined || line.step === undefined || line.step < begin;
      });
      if (values.length > 0) yield { ...line, values };
    }
  }

  async *#lines(): AsyncGenerator<MetricsLine> {
    for await (const batch of new GrowingLines(this.#path).read(true))
      if (batch !== 'anew') yield* batch.map((text) => parseMetricsLine(text.trim()));
  }
}

/** Fetches the metrics of the Run of the segment before into a file; a Run without any leaves none. */
export async function fetchEarlier(store: Store, previous: Digest, path: string): Promise<void> {
  const found = await findRecord(store, run, previous);
  const layer = found?.manifest.layers.find(({ mediaType }) => mediaType === METRICS_LAYER);
  if (layer !== undefined) await pipeline(await store.read(layer.digest), createWriteStream(path));
}
