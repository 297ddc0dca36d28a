import { setTimeout as sleep } from 'node:timers/promises';
import type { Found } from '../lib/descendants.ts';
import type { ProgramConsole } from '../lib/log.ts';
import type { Group } from '../lib/process.ts';
import type { Cause, Ending } from './ending.ts';
import { LogFile } from './log-file.ts';
import type { Metrics } from './metrics/metrics.ts';
import { TrimmedConsole } from './trimmed.ts';
import { tellMetrics, watch } from './watch.ts';

/** How long a program has between the request to stop and its end by force. A runner's own patience is 7.5 seconds. */
const GRACE_SECONDS = 5;
/** Where nobody is waiting: a large checkpoint takes minutes. */
const BUDGET_GRACE_SECONDS = 300;
/** Helpers of a program, such as Python's resource tracker, end a moment after it. */
const AFTERGLOW_MS = 500;
const DRAIN_MS = 3000;
/** Timers of Node hold 24 days at most. */
const DAY_MS = 86_400_000;

export interface Following {
  readonly console: ProgramConsole;
  readonly metrics: Metrics;
  /** A file that gets all that the program prints. */
  readonly log: string;
  /** Cancels; once more changes nothing. */
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number | undefined;
  readonly silenceSeconds: number | undefined;
  /** Metrics that must stay finite. */
  readonly finite: readonly string[];
  /** How much of the time budget is left. */
  readonly budgetSeconds: number | undefined;
  /** When the newest complete checkpoint was made: a sign of life. */
  checkpointAt(): number | undefined;
}

/** Follows a program to its end, or ends it, and all that it started with it. */
export async function follow(group: Group, following: Following): Promise<Ending> {
  const { metrics, signal, finite } = following;
  const log = await LogFile.open(following.log);
  const console = new TrimmedConsole(following.console);
  const say = (line: string): void => console.say(line);
  const over = new AbortController();
  try {
    const output = Promise.all(
      [group.stdout, group.stderr].map((stream) => log.copy(stream, (chunk) => console.write(chunk))),
    );
    let wrong = (_: Cause): void => {};
    const found = new Promise<Cause>((resolve) => {
      wrong = resolve;
    });
    const signs = (): string => `${log.count} ${following.checkpointAt()}`;
    const watching = watch({ ...following, signs, say, wrong }, over.signal);
    // A disk that cannot be read, say, ends the program; what merely goes well never does.
    const failure = Promise.all([output, watching]).then(() => new Promise<never>(() => {}));
    const full = log.full.then(() => 'disk' as const);
    const outside = firstOf(group, following, over.signal);
    const cause = await Promise.race([failure, outside, found, full]);
    const askedAt = cause === 'itself' ? undefined : Date.now();
    const checkpointBefore = following.checkpointAt();
    const survivors = cause === 'itself' ? await survivorsOf(group) : [];
    await Promise.race([failure, end(group, cause, signal)]);
    over.abort();
    // All who could write have ended; a pipe that is open still was handed to somebody else.
    await Promise.race([output, sleep(DRAIN_MS, undefined, { ref: false })]);
    for (const stream of [group.stdout, group.stderr]) stream.destroy();
    await Promise.all([output, watching]);
    console.finish();
    await tellMetrics(metrics, () => metrics.finish(), say);
    const diverged = finite.filter((name) => metrics.nonFinite.has(name));
    const isCancelled = cause !== 'itself' && signal.aborted;
    return {
      cause: isCancelled ? 'cancelled' : cause,
      exit: await group.exited,
      askedAt,
      checkpointBefore,
      survivors,
      diverged,
    };
  } finally {
    over.abort();
    await group.end(0);
    await log.close();
  }
}

/** What comes first: the program's end, a cancellation, a limit of time. */
function firstOf(group: Group, following: Following, over: AbortSignal): Promise<Cause> {
  const { signal, timeoutSeconds, budgetSeconds } = following;
  const after = async (seconds: number | undefined, cause: Cause): Promise<Cause> => {
    if (seconds === undefined) return new Promise<never>(() => {});
    for (let left = seconds * 1000; left > 0; left -= DAY_MS)
      await sleep(Math.min(left, DAY_MS), undefined, { signal: over }).catch(() => {});
    return cause;
  };
  return Promise.race([
    group.exited.then((): Cause => 'itself'),
    aborted(signal, over).then((): Cause => 'cancelled'),
    after(budgetSeconds, 'budget'),
    after(timeoutSeconds, 'timeout'),
  ]);
}

/** Resolves when the signal says so; never once it is over. */
function aborted(signal: AbortSignal, over: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true, signal: over });
  });
}

/** Who has time to write a checkpoint, and is cancelled then, has no more time than any other. */
async function end(group: Group, cause: Cause, signal: AbortSignal): Promise<void> {
  if (cause !== 'budget') return group.end(GRACE_SECONDS);
  const ended = new AbortController();
  const patient = group.end(BUDGET_GRACE_SECONDS).finally(() => ended.abort());
  await Promise.race([patient, aborted(signal, ended.signal).then(() => group.end(GRACE_SECONDS))]);
  await patient;
}

async function survivorsOf(group: Group): Promise<Found[]> {
  if ((await group.survivors()).length === 0) return [];
  await sleep(AFTERGLOW_MS);
  return group.survivors();
}
