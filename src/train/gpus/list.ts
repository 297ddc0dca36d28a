import type { Environment } from '../../lib/environment.ts';
import { amdProcesses, listAmd } from './amd.ts';
import type { Asking } from './ask.ts';
import type { Gpu, GpuList, GpuProcess } from './gpu.ts';
import { listNvidia, nvidiaProcesses } from './nvidia.ts';

/**
 * The GPUs that a training of this machine may be given: NVIDIA's, else AMD's, else none. A machine's own CUDA_VISIBLE_DEVICES or
 * ROCR_VISIBLE_DEVICES narrows them.
 * @throws MachineError when the vendor's tool fails, or hangs
 */
export async function listGpus(asking: Asking): Promise<GpuList> {
  const found = await listNvidia(asking);
  const list = found !== undefined && found.gpus.length > 0 ? found : await listAmd(asking);
  const { gpus, ...rest } = list ?? found ?? { gpus: [] };
  return { gpus: gpus.filter((gpu) => isAllowed(gpu, asking.env)), ...rest };
}

/**
 * Who computes on the cards of these GPUs.
 * @throws MachineError when the vendor's tool fails, or hangs
 */
export async function gpuProcesses(gpus: readonly Gpu[], asking: Asking): Promise<GpuProcess[]> {
  if (gpus.length === 0) return [];
  return gpus[0]?.vendor === 'amd' ? amdProcesses(asking) : nvidiaProcesses(asking);
}

/** Entries are numbers or the beginning of an id, as CUDA takes them. */
function isAllowed({ vendor, id, card, index }: Gpu, env: Environment): boolean {
  const setting = vendor === 'amd' ? env.ROCR_VISIBLE_DEVICES : env.CUDA_VISIBLE_DEVICES;
  if (setting === undefined) return true;
  return setting
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .some((entry) =>
      /^\d+$/.test(entry) ? Number(entry) === index : id.startsWith(entry) || card.startsWith(entry),
    );
}
