import { readFile, readlink } from 'node:fs/promises';
import { codeOf } from './errors.ts';
import { statOf } from './process-stat.ts';

/** A process by its number and its start, so that another one which is given the number later is not taken for it. */
export async function holderOf(pid: number): Promise<string> {
  return `${pid}-${startOf(pid)}`;
}

/** Whether the process that `holderOf` named is still there. */
export async function lives(holder: string): Promise<boolean> {
  const [pid = '', start] = holder.split('-');
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false;
  }
  return startOf(Number(pid)) === start;
}

/** Where the numbers of processes mean the same: one boot of one machine, and one container of it. */
export async function pidNamespace(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  return `${boot.trim()} ${await readlink('/proc/self/ns/pid').catch(() => '')}`.trim();
}

/** When a process began (proc(5), starttime); 0 where it is not known. One that has ended, and that nobody asks for, is not there. */
function startOf(pid: number): string {
  const fields = statOf(pid);
  return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : (fields[19] ?? '0');
}
