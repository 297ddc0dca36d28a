import { randomBytes } from 'node:crypto';
import { readlink } from 'node:fs/promises';
import { endMarked, findGroup, holdersOf } from '../lib/descendants.ts';
import { holderOf, lives } from '../lib/holder.ts';
import type { Log } from '../lib/log.ts';

const GRACE_SECONDS = 5;

/** A marker for the program of one training, which says who trains. */
export async function trainingMarker(): Promise<string> {
  return `${await prefix()}${await holderOf(process.pid)}.${randomBytes(8).toString('hex')}`;
}

/**
 * Ends what trainings on this machine left running that were killed themselves: it would hold the GPU that the next one
 * needs. A training that still goes on is left alone.
 */
export async function endOrphans(log: Log): Promise<void> {
  const ours = await prefix();
  for (const holder of await holdersOf(ours)) {
    if (await lives(holder)) continue;
    const marker = `${ours}${holder}.`;
    const names = (await findGroup(marker)).map(({ pid, command }) => `${pid} (${command})`).join(', ');
    log.warning(`a training that was killed left processes running, and they are ended: ${names}`);
    await endMarked(marker, GRACE_SECONDS);
  }
}

/** The numbers of processes mean something within one container only. */
async function prefix(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return `train-${/\d+/.exec(namespace)?.[0] ?? '0'}-`;
}
