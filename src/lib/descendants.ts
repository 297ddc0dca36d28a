import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, MachineError } from './errors.ts';
import { statOf } from './process-stat.ts';

export interface Found {
  /** Negative where only the whole process group is known (outside Linux). */
  readonly pid: number;
  readonly command: string;
}

/** The first process of a session; `ended` once its parent, this process, was told so. */
export interface Leader {
  readonly pid: number;
  readonly ended: boolean;
}

interface Running {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
  readonly marked: boolean;
}

/**
 * The living processes whose TRAINYARD_MARKER begins with `marker`, that are in the session of `leader`
 * (they may have emptied their environment), and all that descends from those (they may have left the session). Zombies
 * and this process don't count. Outside Linux: the leader's process group while one of it lives.
 */
export async function findGroup(marker: string, leader?: Leader): Promise<Found[]> {
  if (process.platform !== 'linux') return groupOf(leader);
  const pids = await pidsOf(marker, leader);
  return Promise.all(pids.map(async (pid) => ({ pid, command: await commandOf(pid) })));
}

/** The same by their numbers alone, which costs less. Linux only; elsewhere nothing is found. */
export async function pidsOf(marker: string, leader?: Leader): Promise<number[]> {
  if (process.platform !== 'linux') return [];
  const pids = (await readdir('/proc')).map(Number).filter((pid) => pid > 1 && pid !== process.pid);
  const running = (await Promise.all(pids.map((pid) => inspect(pid, marker)))).filter(
    (one) => one !== undefined,
  );
  // A number stays taken while a session has it: once the leader has ended, a process of that number means an empty session.
  const reused = leader?.ended === true && running.some((one) => one.pid === leader.pid);
  const session = reused ? undefined : leader?.pid;
  const found = new Set(running.filter((one) => one.marked || one.session === session).map((one) => one.pid));
  for (let before = -1; before !== found.size; ) {
    before = found.size;
    for (const one of running) if (found.has(one.parent)) found.add(one.pid);
  }
  return [...found];
}

/**
 * Ends all that `find` finds: `first` to each of them once (0 = nothing), SIGKILL to what is left or new after the grace, until none is left.
 * Throws MachineError when something outlives SIGKILL by 30 seconds.
 */
export async function endFound(
  find: () => Promise<Found[]>,
  first: NodeJS.Signals | 0,
  graceSeconds: number,
): Promise<void> {
  const begin = performance.now();
  const left = (): number => begin + graceSeconds * 1000 - performance.now();
  let found = await find();
  signalFound(found, first);
  while (found.length > 0 && left() > 0) {
    // Looking takes a while itself, and who is given minutes needs the processors to write a checkpoint.
    const pause = Math.min(1000, Math.max(25, (performance.now() - begin) / 20));
    await sleep(Math.min(pause, Math.max(1, left())));
    found = await find();
  }
  // Twice empty: a process is invisible for an instant while it is being forked or replaced by exec.
  for (let empty = 0; empty < 2; empty = found.length === 0 ? empty + 1 : 0) {
    signalFound(found, 'SIGKILL');
    if (left() < -30_000) {
      const names = found.map(({ pid, command }) => `${pid} (${command})`).join(', ');
      throw new MachineError(`these processes are left after SIGKILL: ${names}`);
    }
    await sleep(10);
    found = await find();
  }
}

/** Ends every process whose marker begins so: what a lost supervisor left behind. Linux only; elsewhere nothing is found. */
export async function endMarked(marker: string, graceSeconds: number): Promise<void> {
  await endFound(() => findGroup(marker), 'SIGTERM', graceSeconds);
}

/** Who holds marked processes of this machine: what stands in their markers between `prefix` and the next dot. Linux only. */
export async function holdersOf(prefix: string): Promise<ReadonlySet<string>> {
  if (process.platform !== 'linux') return new Set();
  const environments = (await readdir('/proc'))
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => readFile(`/proc/${pid}/environ`, 'latin1').catch(() => ''));
  const markers = (await Promise.all(environments)).flatMap((text) =>
    text.split('\0').filter((line) => line.startsWith(`TRAINYARD_MARKER=${prefix}`)),
  );
  return new Set(markers.map((line) => line.slice(`TRAINYARD_MARKER=${prefix}`.length).split('.')[0] ?? ''));
}

/** One that has ended, or that is not ours to signal, is passed over. */
function signalFound(found: readonly Found[], signal: NodeJS.Signals | 0): void {
  for (const { pid } of found) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if (codeOf(error) !== 'ESRCH' && codeOf(error) !== 'EPERM') throw error;
    }
  }
}

/** PF_KTHREAD of linux/sched.h: a thread of the kernel's, which has no environment. */
const KERNEL_THREAD = 0x200000;

/** Undefined for one that has ended since it was listed. */
async function inspect(pid: number, marker: string): Promise<Running | undefined> {
  const [state = 'X', parent, , session, , , flags] = statOf(pid);
  if (state === 'Z' || state === 'X' || (Number(flags) & KERNEL_THREAD) !== 0) return undefined;
  const environment = await readFile(`/proc/${pid}/environ`).catch(() => Buffer.alloc(0));
  const marked = environment.includes(`TRAINYARD_MARKER=${marker}`);
  return { pid, parent: Number(parent), session: Number(session), marked };
}

async function commandOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return line.replaceAll('\0', ' ').trim().slice(0, 100);
}

function groupOf(leader: Leader | undefined): Found[] {
  if (leader === undefined) return [];
  try {
    process.kill(-leader.pid, 0);
    return [{ pid: -leader.pid, command: `process group ${leader.pid}` }];
  } catch {
    return [];
  }
}
