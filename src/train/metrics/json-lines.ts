import { type MetricsLine, parseMetricsLine } from '../../records/metrics-line.ts';
import { GrowingLines } from './growing.ts';
import type { Batch, Source } from './source.ts';

/** The file that TRAINYARD_METRICS_FILE names. */
export class JsonLines implements Source {
  readonly name = 'TRAINYARD_METRICS_FILE';
  readonly #lines: GrowingLines;
  #count = 0;

  constructor(path: string) {
    this.#lines = new GrowingLines(path);
  }

  async *read(isOver: boolean): AsyncGenerator<Batch> {
    for await (const lines of this.#lines.read(isOver)) {
      if (lines === 'anew') this.#count = 0;
      yield lines === 'anew' ? lines : lines.flatMap((line) => this.#lineOf(line.trim()));
    }
  }

  #lineOf(text: string): MetricsLine[] {
    this.#count++;
    if (text === '') return [];
    const line = parseMetricsLine(text);
    return [line.problem === '' ? line : { ...line, problem: `line ${this.#count} ${line.problem}` }];
  }
}
