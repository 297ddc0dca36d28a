import { UserError } from '../lib/errors.ts';
import { pythonProgramAt } from '../lib/python-program.ts';
import type { CheckpointPolicy, Launcher, TrainerConfig } from '../records/program.ts';
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

/**
 * Refuses a command that torchrun could not start.
 * @param place where the command stands
 * @throws UserError for one that is no Python program's
 */
export function checkLauncher({ launcher, command }: TrainerConfig, place: string): void {
  const isTorchrun =
    launcher.kind === 'slurm' ? launcher.torchrun !== undefined : launcher.kind === 'torchrun';
  if (!isTorchrun || pythonProgramAt(command) !== undefined) return;
  throw new UserError(
    `${place}: trainer.command is ${JSON.stringify(command.join(' '))}, and trainer.launcher is torchrun, which starts Python programs; write it as python train.py …, or python -m package.train …`,
  );
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
