import type { TrainerConfig } from '../../records/program.ts';
import type { TrainDeps, TrainRequest } from '../request.ts';
import { type GpuLease, leaseGpus } from './lease.ts';

/** In seconds; no job waits longer for its turn either. */
const DAY = 86_400;

/**
 * Leases the GPUs that a trainer asks for, on this machine; Slurm gives those of its nodes.
 * @param marker of all processes of its program
 * @throws as `leaseGpus`
 */
export async function leaseFor(
  { name, resources, launcher }: TrainerConfig,
  marker: string,
  { gpuWaitSeconds, timeBudgetSeconds }: TrainRequest,
  deps: TrainDeps,
): Promise<GpuLease> {
  if (launcher.kind === 'slurm') return { gpus: [], visible: {}, release: async () => {} };
  return leaseGpus(
    {
      count: resources.gpus ?? 0,
      memoryBytes: resources['gpu-memory'],
      marker,
      name,
      // A program that begins when its time is over has no use of a GPU.
      waitSeconds: Math.min(gpuWaitSeconds ?? DAY, timeBudgetSeconds ?? DAY),
    },
    { ...deps, folder: deps.leases },
  );
}
