import { type FileHandle, open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Found } from '../lib/descendants.ts';
import { codeOf } from '../lib/errors.ts';
import type { ProgramConsole } from '../lib/log.ts';
import type { Exit, Group } from '../lib/process.ts';
import type { MetricsLine } from '../records/metrics-line.ts';
import type { Metrics } from './metrics/metrics.ts';

/** How long a program has between the request to stop and its end by force. A runner's own patience is 7.5 seconds. */
const GRACE_SECONDS = 5;
/** Helpers of a program, such as Python's resource tracker, end a moment after it. */
const AFTERGLOW_MS = 500;
const METRICS_MS = 2000;
const DRAIN_MS = 3000;

export interface Ending {
  /** `ended`: by itself. */
  readonly how: 'ended' | 'cancelled' | 'timeout';
  readonly exit: Exit;
  /** What the program had left running; it was ended too. */
  readonly survivors: readonly Found[];
}

export interface Following {
  readonly console: ProgramConsole;
  readonly metrics: Metrics;
  /** A file that gets all that the program prints. */
  readonly log: string;
  readonly signal: AbortSignal;
  readonly timeoutSeconds: number | undefined;
}

/** Follows a program to its end, or ends it, and all that it started with it. */
export async function follow(group: Group, following: Following): Promise<Ending> {
  const { console, metrics, signal, timeoutSeconds } = following;
  const log = await open(following.log, 'a');
  const over = new AbortController();
  try {
    const output = Promise.all([group.stdout, group.stderr].map((stream) => copyLines(stream, console, log)));
    const telling = tellMetrics(metrics, console, over.signal);
    // A disk that is full, say, ends the program; what merely goes well never does.
    const failure = Promise.all([output, telling]).then(() => new Promise<never>(() => {}));
    const how = await Promise.race([failure, firstOf(group.exited, signal, timeoutSeconds)]);
    const survivors = how === 'ended' ? await survivorsOf(group) : [];
    await group.end(GRACE_SECONDS);
    over.abort();
    // All who could write have ended; a pipe that is open still was handed to somebody else.
    await Promise.race([output, sleep(DRAIN_MS, undefined, { ref: false })]);
    for (const stream of [group.stdout, group.stderr]) stream.destroy();
    await Promise.all([output, telling]);
    tell(console, metrics, await metrics.finish());
    return { how, exit: await group.exited, survivors };
  } finally {
    over.abort();
    await group.end(0);
    await log.close();
  }
}

async function firstOf(
  exited: Promise<Exit>,
  signal: AbortSignal,
  timeoutSeconds: number | undefined,
): Promise<Ending['how']> {
  const done = new AbortController();
  const cancelled = new Promise<'cancelled'>((resolve) => {
    if (signal.aborted) resolve('cancelled');
    signal.addEventListener('abort', () => resolve('cancelled'), { signal: done.signal });
  });
  const late = timeoutSeconds === undefined ? [] : [timeOut(timeoutSeconds, done.signal)];
  const ended = exited.then(() => 'ended' as const);
  return Promise.race([cancelled, ended, ...late]).finally(() => done.abort());
}

/** Timers of Node hold 24 days at most; a longer time is waited for in parts. */
async function timeOut(seconds: number, signal: AbortSignal): Promise<'timeout'> {
  for (let left = seconds * 1000; left > 0; left -= 86_400_000)
    await sleep(Math.min(left, 86_400_000), undefined, { signal }).catch(() => {});
  return 'timeout';
}

async function survivorsOf(group: Group): Promise<Found[]> {
  if ((await group.survivors()).length === 0) return [];
  await sleep(AFTERGLOW_MS);
  return group.survivors();
}

/** The file gets the bytes as they come; a slow disk slows the program down, not us. */
async function copyLines(stream: Readable, console: ProgramConsole, log: FileHandle): Promise<void> {
  try {
    for await (const chunk of stream) {
      console.write(chunk);
      await log.appendFile(chunk);
    }
  } catch (error) {
    if (codeOf(error) !== 'ERR_STREAM_PREMATURE_CLOSE') throw error;
  }
}

async function tellMetrics(metrics: Metrics, console: ProgramConsole, over: AbortSignal): Promise<void> {
  while (!over.aborted) {
    tell(console, metrics, await metrics.read());
    await sleep(METRICS_MS, undefined, { signal: over }).catch(() => {});
  }
}

function tell(console: ProgramConsole, metrics: Metrics, line: MetricsLine | undefined): void {
  const text = line && metrics.tell(line);
  if (text !== undefined) console.say(text);
}
