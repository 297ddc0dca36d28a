import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Check } from '../records/deployment.ts';
import type { Probing } from '../records/release.ts';
import { askGolden, percentile } from './golden.ts';
import type { Probes } from './prove.ts';
import { type Ask, Refused } from './target.ts';

/** How often a window that takes long says how it goes. */
const TOLD_EVERY_MS = 10_000;

/** A time in which a server is asked at a set rate, whatever its answers take. */
export interface Window {
  /** For people: `window`, `watch`. */
  readonly name: string;
  readonly seconds: number;
  readonly limits: Probing;
  /** Called once a second, for what has to stay true meanwhile; throws Refused when it no longer does. */
  stillTrue?(): Promise<void>;
}

/**
 * Asks the golden requests in turn, or whether the server is ready where there are none, at the rate of the limits. Ends early
 * once a limit can no longer be kept.
 * Throws Refused when it is broken, the reason of `signal` when aborted.
 */
export async function askForAWhile(
  ask: Ask,
  probes: Probes,
  { name, seconds, limits, stillTrue }: Window,
  { log, signal }: { log: Log; signal: AbortSignal },
): Promise<Check> {
  const planned = Math.max(1, Math.ceil(seconds * limits.rate));
  const times: number[] = [];
  const failures: string[] = [];
  const open = new Set<Promise<void>>();
  const begin = performance.now();
  let [slow, told, looked] = [0, begin, begin];
  let looking: Promise<void> | undefined;
  let untrue: { readonly error: unknown } | undefined;
  const one = async (index: number): Promise<void> => {
    const { milliseconds, problem } = await askOne(ask, probes, index, signal);
    if (problem !== undefined) failures.push(problem);
    times.push(milliseconds);
    if (limits.p95Milliseconds !== undefined && milliseconds > limits.p95Milliseconds) slow += 1;
  };
  const broken = (): boolean =>
    untrue !== undefined || failures.length > limits.errors * planned || slow > 0.05 * planned;
  try {
    for (let index = 0; index < planned && !broken(); index++) {
      await sleep(Math.max(0, begin + (index * 1000) / limits.rate - performance.now()), undefined, {
        signal,
      }).catch(() => signal.throwIfAborted());
      const asking = one(index).finally(() => open.delete(asking));
      asking.catch(() => {});
      open.add(asking);
      const now = performance.now();
      if (stillTrue !== undefined && looking === undefined && now - looked > 1000) {
        looked = now;
        looking = stillTrue()
          .catch((error: unknown) => {
            untrue = { error };
          })
          .finally(() => {
            looking = undefined;
          });
      }
      if (now - told > TOLD_EVERY_MS) {
        told = now;
        log.info(
          `${name}: ${index + 1} of ${planned} requests, ${failures.length} failed, ${((now - begin) / 1000).toFixed(0)} of ${seconds} s`,
        );
      }
    }
  } finally {
    await Promise.allSettled([...open, looking]);
  }
  if (untrue !== undefined) throw untrue.error;
  signal.throwIfAborted();
  const p95 = percentile(times, 0.95);
  const detail = `${times.length - failures.length} of ${times.length} requests in ${((performance.now() - begin) / 1000).toFixed(0)} s, p50 ${percentile(times, 0.5).toFixed(0)} ms, p95 ${p95.toFixed(0)} ms`;
  if (failures.length > limits.errors * times.length)
    throw new Refused(
      `${name}: ${failures.length} of ${times.length} requests failed, and ${limits.errors * 100} % may; the first: ${failures[0]}`,
    );
  if (limits.p95Milliseconds !== undefined && p95 > limits.p95Milliseconds)
    throw new Refused(
      `${name}: 95 of 100 answers took up to ${p95.toFixed(0)} ms, and ${limits.p95Milliseconds} ms are allowed`,
    );
  return { name, passed: true, detail };
}

async function askOne(
  ask: Ask,
  { golden, tolerance, ready }: Probes,
  index: number,
  signal: AbortSignal,
): Promise<{ milliseconds: number; problem: string | undefined }> {
  const request = golden[index % golden.length];
  if (request !== undefined) {
    const { milliseconds, difference } = await askGolden(ask, request, tolerance, signal);
    return { milliseconds, problem: difference && `golden request ${request.line}: ${difference}` };
  }
  const begin = performance.now();
  const problem = await ask({ path: ready, timeoutSeconds: 30, signal }).then(
    ({ status }) => (status < 400 ? undefined : `GET ${ready} answered ${status}`),
    (error: unknown) => {
      signal.throwIfAborted();
      return messageOf(error);
    },
  );
  return { milliseconds: performance.now() - begin, problem };
}
