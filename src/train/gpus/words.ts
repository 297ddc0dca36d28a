import type { Filed } from './entry.ts';
import { type Gpu, type GpuProcess, largeEnough } from './gpu.ts';

/** Why a GPU is not free. */
export type Held = Filed | GpuProcess;

/** `2 × NVIDIA H100 80GB HBM3 (79.6 GiB)`, or `none`. */
export function gpusText(gpus: readonly Gpu[]): string {
  const kinds = new Map<string, number>();
  for (const { name, memoryBytes } of gpus) {
    const text = `${name} (${memoryBytes === undefined ? 'memory unknown' : gibibytes(memoryBytes)})`;
    kinds.set(text, (kinds.get(text) ?? 0) + 1);
  }
  return kinds.size === 0 ? 'none' : [...kinds].map(([text, count]) => `${count} × ${text}`).join(', ');
}

/** `2 GPUs of 24 GiB`, as trainer.resources asks. */
export function askedText({
  count,
  memoryBytes,
}: {
  count: number;
  memoryBytes?: number | undefined;
}): string {
  const each = memoryBytes === undefined ? '' : ` of ${gibibytes(memoryBytes)}`;
  return `${count} GPU${count === 1 ? '' : 's'}${each}`;
}

/** Says that a machine doesn't have what is asked, and which runner would. */
export function shortage(
  asked: { count: number; memoryBytes?: number | undefined },
  gpus: readonly Gpu[],
): string {
  const enough = largeEnough(gpus, asked.memoryBytes).length;
  const but = enough > 0 ? `, ${enough} of them large enough` : '';
  return `trainer.resources asks for ${askedText(asked)}, and this machine has ${gpusText(gpus)}${but}. Use a runner with the label ${gpuLabel(asked)}, or change trainer.resources`;
}

/** The label that a runner with such GPUs should have: `gpu`, `gpu-2`, `gpu-2x80gib`. */
export function gpuLabel({
  count,
  memoryBytes,
}: {
  count: number;
  memoryBytes?: number | undefined;
}): string {
  if (memoryBytes !== undefined) return `gpu-${count}x${Math.ceil(memoryBytes / 2 ** 30)}gib`;
  return count === 1 ? 'gpu' : `gpu-${count}`;
}

/** What is waited for, and who has it. */
export function waitingLine(
  count: number,
  gpus: readonly Gpu[],
  held: ReadonlyMap<Gpu, Held>,
  before: number,
): string {
  const who = [...held].map(([{ id }, by]) =>
    'marker' in by
      ? `${id} is leased by the training ${by.name} (process ${by.holder.split('-')[0]})`
      : `${id} computes for process ${by.pid}${by.name === '' ? '' : ` (${by.name})`}`,
  );
  const queue =
    before === 0 ? [] : [`${before} ${before === 1 ? 'training is' : 'trainings are'} before this one`];
  return [`${count} of ${gpus.length} GPUs`, ...who, ...queue].join('; ');
}

/** `79.6 GiB` */
export function gibibytes(bytes: number): string {
  return `${Number((bytes / 2 ** 30).toFixed(1))} GiB`;
}
