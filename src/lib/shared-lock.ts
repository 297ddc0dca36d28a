import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rm, rmdir, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, MachineError } from './errors.ts';
import { aside, renameOntoEmpty } from './files.ts';
import { holderOf, lives, pidNamespace } from './holder.ts';

/** How often a holder shows that it lives, and how long one of another machine may show nothing. */
export interface Beats {
  readonly everyMs: number;
  readonly patienceMs: number;
}

export const BEATS: Beats = { everyMs: 5000, patienceMs: 60_000 };

/** A lock that is held. */
export interface SharedLock {
  /** Rejects when another took it for dead, as happens to a machine that was suspended; pending otherwise. */
  readonly lost: Promise<never>;
  release(): Promise<void>;
}

export interface Waiting {
  readonly signal: AbortSignal;
  /** Is told now and then who holds it. */
  readonly onWait: (holder: string) => void;
  readonly beats?: Beats;
}

/**
 * Takes a lock that machines with the same disk share: a folder with one file in it, named after its holder. A folder is renamed onto an
 * empty one only, and a holder that is gone is removed by its own name, so that no two take the same lock. A holder of this machine is
 * asked whether it lives; one of another machine writes a count into its file, and is gone when the waiter sees no change for long
 * by its own steady clock: clocks of machines differ, and jump.
 * @throws the reason of `signal`
 */
export async function takeSharedLock(
  folder: string,
  { signal, onWait, beats = BEATS }: Waiting,
): Promise<SharedLock> {
  const token = await lockToken();
  const temporary = aside(folder);
  await mkdir(temporary, { recursive: true });
  const seen = new Map<string, { readonly text: string; readonly at: number }>();
  try {
    await writeFile(join(temporary, token), '0');
    while (!(await renameOntoEmpty(temporary, folder))) {
      signal.throwIfAborted();
      for (const holder of await readdir(folder).catch(() => [])) {
        if (await isGone(join(folder, holder), holder, seen, beats))
          await rm(join(folder, holder), { force: true });
        else onWait(holder);
      }
      await sleep(Math.min(500, beats.everyMs), undefined, { signal }).catch(() => {});
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return hold(folder, token, beats);
}

function hold(folder: string, token: string, { everyMs }: Beats): SharedLock {
  const file = join(folder, token);
  let count = 0;
  let timer: NodeJS.Timeout | undefined;
  const lost = new Promise<never>((_, reject) => {
    const beat = async (): Promise<void> => {
      try {
        // Never made anew: whoever took the lock has removed it.
        const handle = await open(file, 'r+');
        await handle.write(String(++count), 0).finally(() => handle.close());
      } catch (error) {
        if (codeOf(error) !== 'ENOENT') return;
        clearInterval(timer);
        reject(
          new MachineError(
            `another machine took ${folder}, because this one showed no sign of life; it was suspended, or lost its disk`,
          ),
        );
      }
    };
    timer = setInterval(() => void beat(), everyMs);
    timer.unref();
  });
  lost.catch(() => {});
  return {
    lost,
    release: async () => {
      clearInterval(timer);
      await unlink(file).catch(() => {});
      // Unless another has taken it at this moment.
      await rmdir(folder).catch(() => {});
    },
  };
}

async function isGone(
  file: string,
  holder: string,
  seen: Map<string, { readonly text: string; readonly at: number }>,
  { patienceMs }: Beats,
): Promise<boolean> {
  const isAlive = await livesHere(holder);
  if (isAlive !== undefined) return !isAlive;
  const text = await readFile(file, 'utf8').catch(() => '');
  const before = seen.get(holder);
  const now = performance.now();
  if (before === undefined || before.text !== text) seen.set(holder, { text, at: now });
  return before !== undefined && before.text === text && now - before.at > patienceMs;
}

/** A name for this process as a holder, which no other attempt has: `MACHINE.PID-START.RANDOM`. */
export async function lockToken(): Promise<string> {
  return `${await machineName()}.${await holderOf(process.pid)}.${randomBytes(6).toString('hex')}`;
}

/** Whether the process that a token names lives; undefined for one of another machine, which cannot be asked. */
export async function livesHere(token: string): Promise<boolean | undefined> {
  const [where, who = ''] = token.split('.');
  return where === (await machineName()) ? lives(who) : undefined;
}

/** The number of the process that a token names, on its machine. */
export function pidIn(token: string): string {
  return /^\w+\.(\d+)/.exec(token)?.[1] ?? 'unknown';
}

/** This machine, in this boot and container: within it the numbers of processes mean the same. */
export async function machineName(): Promise<string> {
  const name = (await pidNamespace()) || hostname();
  return createHash('sha256').update(name).digest('hex').slice(0, 12);
}
