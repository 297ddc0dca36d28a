import type { CheckpointPolicy, Launcher } from '../records/program.ts';
import type { LauncherSource, Project } from '../source/project.ts';

/** What starts the program, as the Program says it. */
export function launcherOf(source: LauncherSource): Launcher {
  if (source === 'local') return { kind: 'local' };
  if (source === 'torchrun') return { kind: 'torchrun', restarts: 0 };
  if ('torchrun' in source) return { kind: 'torchrun', ...withoutUndefined(source.torchrun) };
  const { time, torchrun, partition, cpus, ...rest } = source.slurm;
  return {
    kind: 'slurm',
    ...rest,
    ...(partition !== undefined && { partition }),
    ...(cpus !== undefined && { cpus }),
    ...(time !== undefined && { timeSeconds: time }),
    ...(torchrun !== undefined && { torchrun: withoutUndefined(torchrun) }),
  };
}

/** Which checkpoints stay; the goal of the best one is that of its metric. */
export function checkpointsOf({ trainer, metrics }: Project): CheckpointPolicy {
  const { keep, best } = trainer.checkpoints;
  const goal = best === undefined ? undefined : metrics[best]?.goal;
  return { keep, ...(best !== undefined && goal !== undefined && { best: { metric: best, goal } }) };
}

function withoutUndefined({ processes, restarts }: { processes?: number | undefined; restarts: number }) {
  return { restarts, ...(processes !== undefined && { processes }) };
}
