/** What a program can be given: a whole card, or a slice of one (MIG). */
export interface Gpu {
  readonly vendor: 'nvidia' | 'amd';
  /** What the variables of visible devices take: `GPU-…`, `MIG-…`, or an AMD card's number. It is also the name of its lease. */
  readonly id: string;
  /** The id of the card; another one than `id` for a slice. */
  readonly card: string;
  readonly index: number;
  readonly name: string;
  readonly memoryBytes?: number;
  readonly driver?: string;
  /** Where its card is plugged in, `0000:83:00.0`; known of AMD only. */
  readonly bus?: string;
}

/** A process that computes on a card. */
export interface GpuProcess {
  readonly card: string;
  readonly pid: number;
  readonly name: string;
}

/** The GPUs of a machine that this process may use. */
export interface GpuList {
  readonly gpus: readonly Gpu[];
  /** The newest CUDA that the driver can do. */
  readonly cuda?: string;
}

/** A card reports a little less than it is sold with: 93 % of what is asked will do. */
export const ENOUGH = 0.93;

/** Those with enough memory, in bytes; one whose memory nobody knows counts when none is asked. */
export function largeEnough(gpus: readonly Gpu[], memoryBytes = 0): Gpu[] {
  return gpus.filter((gpu) => (gpu.memoryBytes ?? 0) >= memoryBytes * ENOUGH);
}

/** The variables that show a program these GPUs and no others; all empty for none. */
export function visibleDevices(gpus: readonly Gpu[]): Readonly<Record<string, string>> {
  const ids = gpus.map(({ id }) => id).join(',');
  if (gpus[0]?.vendor !== 'amd')
    return { CUDA_VISIBLE_DEVICES: ids, ROCR_VISIBLE_DEVICES: '', HIP_VISIBLE_DEVICES: '' };
  // HIP counts what ROCr lets it see, and takes CUDA's variable for its own.
  const numbers = gpus.map((_, number) => number).join(',');
  return { ROCR_VISIBLE_DEVICES: ids, HIP_VISIBLE_DEVICES: numbers, CUDA_VISIBLE_DEVICES: numbers };
}
