import { LineCutter } from '../../lib/lines.ts';
import type { Stored } from '../../records/kind.ts';
import { parseMetricsLine } from '../../records/metrics-line.ts';
import { METRICS_LAYER, type RunConfig } from '../../records/run.ts';
import type { Store } from '../../store/store.ts';

/** A value of a metric in MLflow's words. */
export interface Point {
  readonly key: string;
  readonly value: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly step: number;
}

/** Of a longer file, lines are left out evenly: a server need not be told a million points. */
const LARGEST = 16 * 2 ** 20;

/** A name as MLflow accepts it. */
export function keyOf(name: string): string {
  return name.replace(/[^\w. :/-]/g, '_').slice(0, 250);
}

/**
 * All points of a Run, from the file of its metrics. The same Run has the same points, times included, so that a server which
 * has some of them already does not get them twice.
 */
export async function* pointsOf(
  store: Store,
  { config, manifest }: Stored<RunConfig>,
): AsyncGenerator<Point> {
  const timestamp = endOf(config);
  const counts = new Map<string, number>();
  const layer = manifest.layers.find(({ mediaType }) => mediaType === METRICS_LAYER);
  for await (const { step, values } of layer === undefined ? [] : linesOf(store, layer)) {
    for (const [name, value] of values) {
      const count = counts.get(name) ?? 0;
      counts.set(name, count + 1);
      yield { key: keyOf(name), value, timestamp, step: Math.round(step ?? count) };
    }
  }
  for (const [name, value] of Object.entries(config.metrics))
    if (!counts.has(name)) yield { key: keyOf(name), value, timestamp, step: 0 };
}

/** When the Run's last segment ended, in milliseconds since 1970. */
export function endOf({ segments }: RunConfig): number {
  return Date.parse(segments.at(-1)?.endedAt ?? '') || 0;
}

async function* linesOf(store: Store, { digest, size }: Pick<Stored<RunConfig>, 'digest' | 'size'>) {
  const stride = Math.ceil(size / LARGEST);
  const cutter = new LineCutter();
  let count = 0;
  const kept = (texts: readonly string[]) =>
    texts.filter(() => count++ % stride === 0).map((text) => parseMetricsLine(text.trim()));
  for await (const chunk of await store.read(digest)) yield* kept(cutter.cut(chunk));
  yield* kept([cutter.rest()]);
}
