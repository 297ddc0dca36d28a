import { createHash, randomBytes } from 'node:crypto';
import { readlink } from 'node:fs/promises';
import { resolve } from 'node:path';
import { endMarked, type Found, findGroup, holdersOf } from '../lib/descendants.ts';
import { holderOf, lives } from '../lib/holder.ts';
import type { Log } from '../lib/log.ts';

const GRACE_SECONDS = 5;

/**
 * A marker for the program of one training, which says who trains.
 * @param leases the folder in which trainings lease GPUs: only those that share it clean up after each other
 */
export async function trainingMarker(leases: string): Promise<string> {
  return `${await prefix(leases)}${await holderOf(process.pid)}.${randomBytes(8).toString('hex')}`;
}

/**
 * Ends what trainings on this machine left running that were killed themselves: it would hold the GPU that the next one
 * needs. A training that still goes on is left alone.
 * @returns what was found and ended
 */
export async function endOrphans(leases: string, log: Log): Promise<Found[]> {
  const ours = await prefix(leases);
  const ended: Found[] = [];
  for (const holder of await holdersOf(ours)) {
    if (await lives(holder)) continue;
    const marker = `${ours}${holder}.`;
    const found = await findGroup(marker);
    const names = found.map(({ pid, command }) => `${pid} (${command})`).join(', ');
    log.warning(`a training that was killed left processes running, and they are ended: ${names}`);
    await endMarked(marker, GRACE_SECONDS);
    ended.push(...found);
  }
  return ended;
}

/** The numbers of processes mean something within one container only. */
async function prefix(leases: string): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  const scope = createHash('sha256').update(resolve(leases)).digest('hex').slice(0, 8);
  return `train-${/\d+/.exec(namespace)?.[0] ?? '0'}-${scope}-`;
}
