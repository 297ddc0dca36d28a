import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, MachineError, UserError } from '../lib/errors.ts';
import { holderOf, lives } from '../lib/holder.ts';
import { tryJson } from '../lib/json.ts';
import type { Log } from '../lib/log.ts';
import { bytesText } from '../lib/progress.ts';
import { takeSharedLock } from '../lib/shared-lock.ts';
import { removeEntry } from './entry.ts';
import { plan } from './source.ts';

export interface CachePlace {
  readonly folder: string;
  /** In bytes; undefined for half of the disk. */
  readonly limit: number | undefined;
  readonly log: Log;
}

/** A data set in the cache, whole or on its way. */
interface Kept {
  readonly key: string;
  readonly name: string;
  readonly bytes: number;
  readonly usedAt: number;
}

/** What this disk may be used for when nobody says it. */
const SHARE = 0.5;

/** Says that this process uses an entry, until the function that is returned is called or the process ends. */
export async function lease(folder: string, key: string): Promise<() => Promise<void>> {
  const name = `${key}.${await holderOf(process.pid)}.${randomBytes(4).toString('hex')}`;
  const file = join(folder, 'leases', name);
  await mkdir(join(folder, 'leases'), { recursive: true });
  await writeFile(file, '');
  return () => rm(file, { force: true });
}

/** A data set that comes into the cache. */
export interface Coming {
  readonly key: string;
  /** For messages. */
  readonly what: string;
  /** In bytes, all of it and what is not here yet. */
  readonly bytes: number;
  readonly missing: number;
}

/**
 * Removes what was used least recently until a data set fits below the limit and on the disk. What a running training uses or
 * fetches stays, so the limit may be exceeded by that.
 * @throws UserError when it can never fit below the limit, MachineError when the disk has no room for it
 */
export async function makeRoom(
  { folder, limit, log }: CachePlace,
  coming: Coming,
  signal: AbortSignal,
): Promise<void> {
  const { key, what, bytes, missing } = coming;
  const disk = await statfs(folder);
  const most = limit ?? disk.blocks * disk.bsize * SHARE;
  if (bytes > most)
    throw new UserError(
      `${what} has ${bytesText(bytes)}, and the cache of data may have ${bytesText(most)}; set TRAINYARD_DATA_LIMIT of the runner machine higher (such as 500GiB)`,
    );
  await sweep(folder);
  const all = (await listKept(folder)).filter((entry) => entry.key !== key);
  const kept = all.sort((a, b) => a.usedAt - b.usedAt);
  let total = kept.reduce((sum, entry) => sum + entry.bytes, 0);
  let free = disk.bavail * disk.bsize;
  for (const entry of kept) {
    if (total + bytes <= most && missing <= free) return;
    if (!(await remove(folder, entry, signal))) continue;
    log.info(
      `removed ${bytesText(entry.bytes)} of data that was not used since ${new Date(entry.usedAt).toISOString()}`,
    );
    total -= entry.bytes;
    free += entry.bytes;
  }
  if (missing > free)
    throw new MachineError(
      `${what} needs ${bytesText(missing)}, and the disk of ${folder} has room for ${bytesText(free)}; make room, or set TRAINYARD_CACHE of the runner machine to a folder on a larger disk`,
    );
}

/** Ends the removals of processes that were killed. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder))
    if (name.includes('.gone-')) await removeEntry(join(folder, name)).catch(ifGone);
}

async function listKept(folder: string): Promise<Kept[]> {
  const names = (await readdir(folder)).filter((name) => /^[0-9a-f]{64}(\.partial)?$/.test(name));
  const all = names.map(async (name): Promise<Kept> => {
    const file = join(folder, name, 'plan.json');
    const parsed = plan.safeParse(tryJson(await readFile(file, 'utf8').catch(() => '')));
    const usedAt = (await stat(file).catch(() => undefined))?.mtimeMs ?? 0;
    return { key: name.slice(0, 64), name, bytes: (parsed.success && parsed.data.bytes) || 0, usedAt };
  });
  return Promise.all(all);
}

/** Whether it could be removed: nobody uses it, and nobody begins to while it goes. */
async function remove(folder: string, { key, name }: Kept, signal: AbortSignal): Promise<boolean> {
  const busy = new Error('in use');
  const onWait = (): void => {
    throw busy;
  };
  const lock = await takeSharedLock(join(folder, `${key}.lock`), { signal, onWait }).catch(
    (error: unknown) => {
      if (error !== busy) throw error;
    },
  );
  if (lock === undefined) return false;
  const gone = join(folder, `${name}.gone-${randomBytes(4).toString('hex')}`);
  try {
    if (await isLeased(folder, key)) return false;
    await rename(join(folder, name), gone).catch(ifGone);
  } finally {
    await lock.release();
  }
  await removeEntry(gone).catch(ifGone);
  return true;
}

/** Another process removes the same thing. */
function ifGone(error: unknown): void {
  if (!['ENOENT', 'ENOTEMPTY'].includes(codeOf(error) ?? '')) throw error;
}

async function isLeased(folder: string, key: string): Promise<boolean> {
  let isUsed = false;
  for (const name of await readdir(join(folder, 'leases')).catch(() => [])) {
    const [of = '', holder = ''] = name.split('.');
    if (of !== key) continue;
    if (await lives(holder)) isUsed = true;
    else await rm(join(folder, 'leases', name), { force: true });
  }
  return isUsed;
}
