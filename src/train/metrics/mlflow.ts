import { relative, sep } from 'node:path';
import { lineOfValue, type MetricsLine } from '../../records/metrics-line.ts';
import { Finder } from './find.ts';
import { GrowingLines } from './growing.ts';
import { Names } from './names.ts';
import { type Batch, problem, type Source } from './source.ts';

/** More series than are kept in all need not be followed. */
const MOST_FILES = 1000;

/** A folder that MLflow tracks into: `EXPERIMENT/RUN/metrics/NAME` with lines `milliseconds value step`, and of what data it is. */
export class MlflowFolder implements Source {
  readonly name = 'MLflow';
  readonly #folder: string;
  readonly #finder: Finder;
  readonly #files = new Map<string, { readonly lines: GrowingLines; readonly metric: string }>();
  readonly #names = new Names();

  constructor(folder: string) {
    this.#folder = folder;
    const isLookedInto = (path: string): boolean => {
      const [, , kind] = relative(folder, path).split(sep);
      return kind === undefined || kind === 'metrics';
    };
    this.#finder = new Finder([folder], () => true, isLookedInto);
  }

  async *read(isOver: boolean): AsyncGenerator<Batch> {
    const paths = await this.#finder.find(isOver);
    if (isOver && this.#finder.problem !== '') yield [problem(this.#finder.problem)];
    for (const path of paths) {
      const [, run = '', kind, ...rest] = relative(this.#folder, path).split(sep);
      if (kind === 'metrics' && rest.length > 0 && !this.#files.has(path) && this.#files.size < MOST_FILES) {
        const metric = this.#names.of(run, run.slice(0, 8), rest.join('/'));
        this.#files.set(path, { lines: new GrowingLines(path), metric });
      }
    }
    // A metric that begins anew goes on in its series: other metrics of the folder did not.
    for (const { lines, metric } of this.#files.values())
      for await (const batch of lines.read(isOver))
        if (batch !== 'anew') yield batch.flatMap((line) => parse(metric, line.trim()));
  }
}

function parse(metric: string, text: string): MetricsLine[] {
  if (text === '') return [];
  const [, time, value = '', step = ''] = /^(\d+) (\S+)(?: (-?\d+)(?: .*)?)?$/.exec(text) ?? [];
  if (time === undefined || Number.isNaN(numberOf(value)) !== /^nan$/i.test(value))
    return [problem(`the metric ${JSON.stringify(metric)} has a line that is not "time value step"`)];
  return [lineOfValue(step === '' ? undefined : Number(step), metric, numberOf(value))];
}

/** As Python writes it. */
function numberOf(text: string): number {
  const infinite = /^([+-]?)inf(?:inity)?$/i.exec(text);
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  return Number(text);
}
