import { readFileSync } from 'node:fs';

/**
 * The fields of /proc/PID/stat (proc(5)) after the name, which may hold spaces and brackets; none of a process that has ended. Unlike
 * other files there it waits for no lock of the process's memory, so it is read at once, for a fifth of the cost.
 */
export function statOf(pid: number): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}
