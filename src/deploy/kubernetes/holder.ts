import { randomBytes } from 'node:crypto';
import { holderOf, lives } from '../../lib/holder.ts';
import { machineName } from '../../lib/shared-lock.ts';

/**
 * Names this process as the holder of a lock that many machines see: who it is for people, then which machine and process, and
 * what no other lock of it has. @param who without brackets
 */
export async function holderName(who: string): Promise<string> {
  const process = await holderOf(globalThis.process.pid);
  return `${who} [${await machineName()} ${process} ${randomBytes(4).toString('hex')}]`;
}

/** Whether a holder was a process of this machine that has ended; false for one of another machine, which only its lease tells of. */
export async function isGoneHere(holder: string): Promise<boolean> {
  const [, machine, process] = /\[(\S+) (\S+) \S+\]$/.exec(holder) ?? [];
  if (process === undefined || machine !== (await machineName())) return false;
  return !(await lives(process));
}
