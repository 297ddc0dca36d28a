import type { TrainerConfig } from '../../records/program.ts';
import type { TrainDeps, TrainRequest } from '../request.ts';
import { type GpuLease, leaseGpus } from './lease.ts';

/**
 * Leases the GPUs that a trainer asks for, on this machine; Slurm gives those of its nodes.
 * @param marker of all processes of its program
 * @throws as `leaseGpus`
 */
export async function leaseFor(
  { name, resources, launcher }: TrainerConfig,
  marker: string,
  { gpuWaitSeconds }: TrainRequest,
  deps: TrainDeps,
): Promise<GpuLease> {
  if (launcher.kind === 'slurm') return { gpus: [], visible: {}, release: async () => {} };
  return leaseGpus(
    {
      count: resources.gpus ?? 0,
      memoryBytes: resources['gpu-memory'],
      marker,
      name,
      waitSeconds: gpuWaitSeconds,
    },
    { ...deps, folder: deps.leases },
  );
}
