import { type FileHandle, open, readFile, writeFile } from 'node:fs/promises';
import { PassThrough, Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../../../lib/environment.ts';
import type { Log } from '../../../lib/log.ts';
import type { Exit } from '../../../lib/process.ts';
import type { Launcher } from '../../../records/program.ts';
import type { Launched, StartOptions } from '../launcher.ts';
import { Controller, isAlive, type JobState } from './controller.ts';
import { endJob, makeJobFiles, noteJob } from './job.ts';
import { parseState, type ScriptState, sayOf } from './says.ts';
import { batchScript, environmentScript, type JobFiles, submitOptions } from './script.ts';

/** Between two looks at the files, and between two questions to the controller. */
const LOOK_MS = 500;
const ASK_MS = 30_000;
/** Before the job began, and shortly after Slurm said that it is over, people wait for an answer. */
const ASK_WAITING_MS = 5000;
/** What a node wrote last may be seen here a moment later. */
const LATE_MS = 5000;
const WORD_MS = 30_000;

/** What submitting to Slurm takes besides the job itself. */
export interface SlurmPlace {
  readonly machine: Environment;
  readonly log: Log;
  /** The job's name. */
  readonly name: string;
  /** Ends the waiting for the job's beginning. */
  readonly signal: AbortSignal;
}

/**
 * Submits the program to Slurm and follows its files; the controller is asked seldom, and may be down for a while.
 * It is given once it has begun, has ended, or is to end.
 * @throws UserError when Slurm does not take the job; the reason of the signal while none is submitted
 */
export async function startSlurm(
  slurm: Extract<Launcher, { kind: 'slurm' }>,
  command: readonly string[],
  { cwd, env, marker, root, budgetSeconds }: StartOptions,
  { machine, log, name, signal }: SlurmPlace,
): Promise<Launched> {
  const controller = new Controller(machine);
  const files = await makeJobFiles(root);
  await writeFile(files.environment, environmentScript({ ...env, TRAINYARD_MARKER: marker }), {
    mode: 0o600,
  });
  await writeFile(files.script, batchScript(slurm, command, files), { mode: 0o700 });
  const job = await controller.submit(submitOptions(slurm, name, cwd, files), files.script, signal);
  await noteJob(root, job);
  log.info(`Slurm job ${job} is submitted`);
  const follower = new Follower(controller, job, files, log);
  const stdout = new PassThrough();
  const exited = follower.follow(stdout);
  let hasFailed = false;
  // Who awaits it later is told then.
  exited.catch(() => {
    hasFailed = true;
  });
  // A job that waits is neither silent nor late.
  const begin = performance.now();
  const isUsedUp = (): boolean =>
    performance.now() - begin > 1000 * (budgetSeconds ?? Number.POSITIVE_INFINITY);
  const isWaiting = (): boolean => !follower.hasBegun && !follower.isOver && !hasFailed;
  while (isWaiting() && !signal.aborted && !isUsedUp()) await sleep(100);
  let asked = false;
  return {
    pid: process.pid,
    marker,
    stdout,
    stderr: Readable.from([]),
    exited,
    survivors: async () => [],
    end: async (graceSeconds) => {
      const isOver = (): boolean => follower.isOver;
      if (isOver()) return;
      const isFirst = !asked;
      asked = true;
      const deadline = performance.now() + 1000 * graceSeconds;
      for (let isAsked = !isFirst; !isOver() && follower.hasBegun && performance.now() < deadline; ) {
        if (!isAsked) isAsked = await controller.ask(job);
        await sleep(100);
      }
      if (!isOver()) await endJob(controller, job);
      follower.stop();
      await exited.catch(() => {});
    },
    says: async () => {
      // What we ended has a cause of ours.
      if (asked) return undefined;
      return sayOf(job, await follower.lastWord(), await follower.read());
    },
  };
}

class Follower {
  readonly #controller: Controller;
  readonly #job: string;
  readonly #files: JobFiles;
  readonly #log: Log;
  last: JobState | undefined;
  hasBegun: boolean = false;
  /** Whether the job has ended; one that can be followed no more goes on. */
  isOver: boolean = false;
  #isStopped = false;
  #told = '';

  constructor(controller: Controller, job: string, files: JobFiles, log: Log) {
    this.#controller = controller;
    this.#job = job;
    this.#files = files;
    this.#log = log;
  }

  /** Somebody saw to the job's end; what it has not told by now it will not tell. */
  stop(): void {
    this.#isStopped = true;
  }

  async read(): Promise<ScriptState> {
    return parseState(await readFile(this.#files.state, 'utf8').catch(() => ''));
  }

  /** What Slurm says of the job's end; one that ended a moment ago is being tidied up still. */
  async lastWord(): Promise<JobState | undefined> {
    const begin = performance.now();
    for (;;) {
      const found = await this.#controller.look(this.#job).catch(() => 'away' as const);
      if (found === 'away') return this.last;
      if (found === undefined || !isAlive(found) || performance.now() - begin > WORD_MS) return found;
      await sleep(LOOK_MS);
    }
  }

  /** Gives what the job prints, and resolves when it is over. */
  async follow(to: PassThrough): Promise<Exit> {
    const file = await open(this.#files.log, 'r');
    try {
      const exit = await this.#untilOver(file, to);
      this.isOver = true;
      return exit;
    } finally {
      await copyRest(file, to).catch(() => {});
      to.end();
      await file.close();
    }
  }

  async #untilOver(file: FileHandle, to: PassThrough): Promise<Exit> {
    let endedAt: number | undefined;
    for (let next = 0; ; await sleep(LOOK_MS)) {
      const { host, status } = await this.read();
      this.hasBegun = host !== undefined;
      // Before that nobody reads it.
      if (this.hasBegun) await copyRest(file, to);
      if (status !== undefined || this.#isStopped)
        return { status: status ?? null, signal: status === undefined ? 'SIGKILL' : null };
      if (performance.now() >= next) {
        const isKnown = await this.#ask(host);
        endedAt = isKnown ? undefined : (endedAt ?? performance.now());
        next = performance.now() + (this.hasBegun && isKnown ? ASK_MS : ASK_WAITING_MS);
        if (endedAt !== undefined) next = performance.now() + LOOK_MS;
      }
      if (endedAt !== undefined && performance.now() - endedAt > LATE_MS)
        return { status: null, signal: 'SIGKILL' };
    }
  }

  /** Whether the job goes on as far as anybody knows. */
  async #ask(host: string | undefined): Promise<boolean> {
    try {
      const found = await this.#controller.look(this.#job);
      this.last = found ?? this.last;
      const words = host ? `runs on ${host}` : `waits: ${found?.state.toLowerCase()} (${found?.reason})`;
      if (found !== undefined && words !== this.#told) this.#log.info(`Slurm job ${this.#job} ${words}`);
      this.#told = words;
      return found !== undefined && isAlive(found);
    } catch (error) {
      if (this.#told !== 'away')
        this.#log.warning(`${error instanceof Error ? error.message : error}; its job goes on`);
      this.#told = 'away';
      return true;
    }
  }
}

/** Whoever reads no more misses the rest. */
async function copyRest(file: FileHandle, to: PassThrough): Promise<void> {
  for (;;) {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.allocUnsafe(1 << 16), length: 1 << 16 });
    if (bytesRead === 0 || to.destroyed) return;
    // A reader that is slow slows this down, and not the job.
    if (!to.write(buffer.subarray(0, bytesRead))) await drained(to);
  }
}

/** Resolves when more can be written, or nothing any more. */
function drained(to: PassThrough): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      to.off('drain', go).off('close', go);
      resolve();
    };
    to.on('drain', go).on('close', go);
  });
}
