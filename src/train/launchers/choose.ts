import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { hexOf } from '../../lib/digest.ts';
import type { TrainerConfig } from '../../records/program.ts';
import type { ResolvedTraining } from '../../records/training.ts';
import type { TrainDeps } from '../request.ts';
import type { Start } from './launcher.ts';
import { startLocal } from './local.ts';
import { torchrunCommand } from './torchrun.ts';

/**
 * Chooses what starts a trainer's program.
 * @param gpus how many it was given on this machine
 */
export async function startOf(
  { name, launcher }: TrainerConfig,
  { trainingId }: ResolvedTraining,
  gpus: number,
  { env, log, signal }: TrainDeps,
): Promise<Start> {
  switch (launcher.kind) {
    case 'local':
      return startLocal;
    case 'torchrun': {
      const { restarts, processes = Math.max(1, gpus) } = launcher;
      return (command, options) => startLocal(torchrunCommand(command, { processes, restarts }), options);
    }
    case 'slurm': {
      const { startSlurm } = await import('./slurm/slurm.ts');
      const job = `trainyard-${name}-${hexOf(trainingId, 12)}`;
      return (command, options) =>
        startSlurm(launcher, command, options, { machine: env, log, signal, name: job });
    }
  }
}

/**
 * A new folder for a training, which outlives this process should that be killed: with a folder as hand-off on its disk, so that outputs
 * need not be copied; with Slurm on a disk that the nodes see.
 */
export async function scratchOf({ launcher }: TrainerConfig, { jobs, handoff }: TrainDeps): Promise<string> {
  if (launcher.kind !== 'slurm' && handoff.pathOf !== undefined) return handoff.scratch();
  await mkdir(jobs, { recursive: true });
  return mkdtemp(join(jobs, 'training-'));
}
