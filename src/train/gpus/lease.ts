import { randomBytes } from 'node:crypto';
import { unlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MachineError, UserError } from '../../lib/errors.ts';
import { holderOf, pidNamespace } from '../../lib/holder.ts';
import type { Log } from '../../lib/log.ts';
import type { Asking } from './ask.ts';
import { BEAT_MS, Census } from './census.ts';
import { type Entry, type Filed, isBefore, openLeases, writeEntry } from './entry.ts';
import { foreignProcesses } from './foreign.ts';
import { type Gpu, largeEnough, visibleDevices } from './gpu.ts';
import { listGpus } from './list.ts';
import { type Held, shortage, waitingLine } from './words.ts';

export interface LeaseRequest {
  readonly count: number;
  /** Of each GPU, in bytes. */
  readonly memoryBytes?: number | undefined;
  /** Of the training's program, see `trainingMarker`. */
  readonly marker: string;
  /** The training's, for those who wait. */
  readonly name: string;
  /** How long to wait at most; 24 hours. */
  readonly waitSeconds?: number | undefined;
}

export interface LeaseDeps extends Asking {
  /** The folder of leases. */
  readonly folder: string;
  readonly log: Log;
  /** Between two looks, in milliseconds. */
  readonly pollMs?: number;
  /** Between two lines that tell what is waited for, in milliseconds. */
  readonly tellMs?: number;
  /** How long a holder in another container may show no sign of life, in milliseconds. */
  readonly patienceMs?: number;
}

/** GPUs that are this training's alone until they are released, or until it and all that it started have ended. */
export interface GpuLease {
  readonly gpus: readonly Gpu[];
  /** What shows the program these GPUs and no others. */
  readonly visible: Readonly<Record<string, string>>;
  release(): Promise<void>;
}

/**
 * Takes as many GPUs as are asked for, all at once, as soon as they are free: no other training has leased them, and no process
 * computes on them. Trainings are served in the order in which they came (Lamport's bakery: each writes its own file
 * only, so that no lock is needed that a killed one, another user or another container could hold).
 * @throws UserError when the machine doesn't have them, MachineError when they don't become free in time or a tool fails, the
 * reason of `signal` when aborted
 */
export async function leaseGpus(request: LeaseRequest, deps: LeaseDeps): Promise<GpuLease> {
  if (request.count === 0) return { gpus: [], visible: visibleDevices([]), release: async () => {} };
  const { folder } = deps;
  const { gpus } = await listGpus(deps);
  const fitting = largeEnough(gpus, request.memoryBytes);
  if (fitting.length < request.count) throw new UserError(shortage(request, gpus));
  await openLeases(folder);
  const namespace = await pidNamespace();
  const census = new Census(folder, namespace, deps.patienceMs);
  const file = `${randomBytes(8).toString('hex')}.json`;
  const entry: Entry = {
    ticket: null,
    wants: request.count,
    gpus: [],
    holder: await holderOf(process.pid),
    namespace,
    marker: request.marker,
    name: request.name,
  };
  const path = join(folder, file);
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {}); // its end is seen when it is written or removed
  }, BEAT_MS);
  beat.unref();
  const release = async (): Promise<void> => {
    clearInterval(beat);
    await unlink(path).catch(() => {});
  };
  try {
    await writeEntry(folder, { ...entry, file });
    const tickets = (await census.others(file)).map(({ ticket }) => ticket ?? 0);
    const own: Filed = { ...entry, file, ticket: Math.max(0, ...tickets) + 1 };
    await writeEntry(folder, own);
    const taken = await takeInTurn(own, request, fitting, census, deps);
    return { gpus: taken, visible: visibleDevices(taken), release };
  } catch (error) {
    await release();
    throw error;
  }
}

/** In a row, of the tool of a GPU's vendor. */
const MOST_FAILURES = 3;

async function takeInTurn(
  own: Filed,
  { count, waitSeconds = 86_400 }: LeaseRequest,
  fitting: readonly Gpu[],
  census: Census,
  deps: LeaseDeps,
): Promise<Gpu[]> {
  const { folder, log, signal, pollMs = 3000, tellMs = 60_000 } = deps;
  const begin = performance.now();
  let failures = 0;
  for (let told = 0; ; ) {
    const others = await census.others(own.file);
    const held = heldBy(others, fitting);
    const before = others.filter((one) => one.gpus.length === 0 && isBefore(one, own)).length;
    const unleased = fitting.filter((gpu) => !held.has(gpu));
    if (before === 0 && unleased.length >= count) {
      const foreign = await foreignProcesses(unleased, others, deps).catch((error: unknown) => {
        // One answer that does not come is no reason to give up a place after hours.
        if (signal.aborted || ++failures === MOST_FAILURES) throw error;
        return undefined;
      });
      if (foreign === undefined) {
        await sleep(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
        continue;
      }
      failures = 0;
      for (const [gpu, process] of foreign) held.set(gpu, process);
      const free = unleased.filter((gpu) => !held.has(gpu));
      if (free.length >= count) {
        const chosen = smallest(free, count);
        const gpus = chosen.map(({ id }) => id);
        await writeEntry(folder, { ...own, gpus });
        if (!(await isMet(own, gpus, census))) return chosen;
        // Somebody was taken for dead who is not; two may not have one GPU.
        await writeEntry(folder, own);
        continue;
      }
    }
    const waited = (performance.now() - begin) / 1000;
    const line = waitingLine(count, fitting, held, before);
    if (waited >= waitSeconds)
      throw new MachineError(
        `no ${count} GPUs became free in ${Math.round(waited)} seconds: ${line}. Raise the input gpu-wait, or give the runner a machine of its own`,
      );
    if (waited * 1000 >= told) {
      log.info(`waiting for ${line}`);
      told = waited * 1000 + tellMs;
    }
    await sleep(pollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

/** Whether another has one of these GPUs, and had been there before. */
async function isMet(own: Filed, gpus: readonly string[], census: Census): Promise<boolean> {
  const others = await census.others(own.file);
  return others.some((one) => isBefore(one, own) && one.gpus.some((id) => gpus.includes(id)));
}

function heldBy(others: readonly Filed[], gpus: readonly Gpu[]): Map<Gpu, Held> {
  const held = new Map<Gpu, Held>();
  for (const one of others)
    for (const gpu of gpus) if (one.gpus.includes(gpu.id) || one.gpus.includes(gpu.card)) held.set(gpu, one);
  return held;
}

/** Those that fit best, so that larger ones are left to who needs them. */
function smallest(gpus: readonly Gpu[], count: number): Gpu[] {
  const order = (a: Gpu, b: Gpu): number => (a.memoryBytes ?? 0) - (b.memoryBytes ?? 0) || a.index - b.index;
  return [...gpus].sort(order).slice(0, count);
}
