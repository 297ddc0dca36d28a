import { readFile } from 'node:fs/promises';
import { statOf } from '../../lib/process-stat.ts';
import type { Asking } from './ask.ts';
import type { Filed } from './entry.ts';
import type { Gpu, GpuProcess } from './gpu.ts';
import { gpuProcesses } from './list.ts';

/**
 * Who computes on these GPUs. For a slice of a card, and by AMD's tools, a process is named for more than it uses: one that
 * belongs to a lease then counts for the GPUs of that lease alone.
 * @throws MachineError when the vendor's tool fails, or hangs
 */
export async function foreignProcesses(
  gpus: readonly Gpu[],
  leases: readonly Filed[],
  asking: Asking,
): Promise<ReadonlyMap<Gpu, GpuProcess>> {
  const found = new Map<Gpu, GpuProcess>();
  for (const one of await gpuProcesses(gpus, asking)) {
    const using = gpus.filter(({ id, card }) => one.card === id || one.card === card);
    const vague = using.some(({ vendor, id }) => vendor === 'amd' || id !== one.card);
    if (vague && (await isLeased(one.pid, leases))) continue;
    for (const gpu of using) found.set(gpu, one);
  }
  return found;
}

/** Whether a process, or one that it descends from, holds a lease or is marked by one that does. */
async function isLeased(pid: number, leases: readonly Filed[]): Promise<boolean> {
  const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '');
  if (leases.some(({ marker }) => environment.includes(`TRAINYARD_MARKER=${marker}`))) return true;
  for (let current = pid; current > 1; ) {
    const fields = statOf(current);
    if (leases.some(({ holder }) => holder === `${current}-${fields[19]}`)) return true;
    current = Number(fields[1] ?? 0);
  }
  return false;
}
