import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Processes that the kernel ended for want of memory; undefined where it does not count them. */
export interface MemoryKills {
  /** Of our own control group. */
  readonly group: number | undefined;
  readonly machine: number | undefined;
}

/**
 * Reads how many processes the kernel has ended for want of memory up to now: on the machine, and in this process's control group.
 * @param root where /proc and /sys are; another folder in tests
 */
export async function readMemoryKills(root = '/'): Promise<MemoryKills> {
  const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8').catch(() => '');
  const counts = await Promise.all(groupFiles(await read('proc/self/cgroup')).map(read));
  return {
    group: counts.map(killsIn).find((count) => count !== undefined),
    machine: killsIn(await read('proc/vmstat')),
  };
}

/** What was counted between two readings. */
export function killsBetween(before: MemoryKills, after: MemoryKills): MemoryKills {
  const less = (a?: number, b?: number): number | undefined =>
    a === undefined || b === undefined ? undefined : Math.max(0, b - a);
  return { group: less(before.group, after.group), machine: less(before.machine, after.machine) };
}

/** In a container the path may be that of the host, and what the container sees is its own group's folder. */
function groupFiles(groups: string): string[] {
  return groups.split('\n').flatMap((line) => {
    const [, controllers = '', path = ''] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    const [top, file] =
      controllers === ''
        ? ['sys/fs/cgroup', 'memory.events']
        : ['sys/fs/cgroup/memory', 'memory.oom_control'];
    if (path === '' || (controllers !== '' && !controllers.split(',').includes('memory'))) return [];
    return [join(top, path, file), join(top, file)];
  });
}

function killsIn(text: string): number | undefined {
  const count = /^oom_kill (\d+)$/m.exec(text)?.[1];
  return count === undefined ? undefined : Number(count);
}
