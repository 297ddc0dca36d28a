import { setTimeout as sleep } from 'node:timers/promises';
import type { Metrics } from './metrics/metrics.ts';
import { Silence } from './silence.ts';

const TICK_MS = 2000;

export interface Watching {
  readonly metrics: Metrics;
  /** Metrics that must stay finite. */
  readonly finite: readonly string[];
  readonly silenceSeconds: number | undefined;
  /** Another text after each sign of life besides metrics: bytes that were printed, the newest checkpoint. */
  signs(): string;
  say(line: string): void;
  /** Told once or more when something is wrong. */
  wrong(what: 'divergence' | 'silence'): void;
}

/** Until it is over, tells metrics as they come, and what is wrong with the program: a metric that is not finite, or silence. */
export async function watch(watching: Watching, over: AbortSignal): Promise<void> {
  const { metrics, finite, silenceSeconds, wrong } = watching;
  const limit = silenceSeconds === undefined ? Number.POSITIVE_INFINITY : silenceSeconds * 1000;
  const tick = Math.min(TICK_MS, Math.max(10, limit / 10));
  const silence = new Silence(2 * tick);
  for (let lines = 0; !over.aborted; ) {
    if (await tellMetrics(metrics, () => metrics.read(), watching.say)) lines += 1;
    if (finite.some((name) => metrics.nonFinite.has(name))) wrong('divergence');
    const sign = `${watching.signs()} ${lines} ${[...metrics.nonFinite].join()}`;
    if (silence.after(performance.now(), sign) > limit) wrong('silence');
    await sleep(tick, undefined, { signal: over }).catch(() => {});
  }
}

/** Reads metrics, and tells their newest values. Gives whether there were any. */
export async function tellMetrics(
  metrics: Metrics,
  read: () => ReturnType<Metrics['read']>,
  say: (line: string) => void,
): Promise<boolean> {
  const line = await read();
  const text = line === undefined ? undefined : metrics.tell(line);
  if (text !== undefined) say(text);
  return line !== undefined;
}
