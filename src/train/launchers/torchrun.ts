import { UserError } from '../../lib/errors.ts';
import { pythonProgramAt } from '../../lib/python-program.ts';

/** How torchrun is told who takes part. */
export interface TorchrunOptions {
  /** Of each node. */
  readonly processes: number;
  readonly restarts: number;
  /** Options that name the meeting of several nodes; one machine alone needs none. */
  readonly meeting?: readonly string[];
}

/** On a port of its own; `--standalone` of PyTorch before 2 takes one that two trainings of a machine would share. */
const ALONE = ['--rdzv_backend=c10d', '--rdzv_endpoint=localhost:0'];

/**
 * The command that starts a Python program by torchrun, as the `python` of that program's own environment has it: `torch.distributed.run`.
 * @param command `python train.py …` or `python -m package.train …`
 * @throws UserError for a command that is no Python program's
 */
export function torchrunCommand(
  command: readonly string[],
  { processes, restarts, meeting = ALONE }: TorchrunOptions,
): string[] {
  const at = pythonProgramAt(command);
  if (at === undefined)
    throw new UserError(
      `the launcher torchrun starts Python programs, and trainer.command is ${JSON.stringify(command.join(' '))}; write it as python train.py …, or python -m package.train …`,
    );
  const program = command[at] === '-m' ? ['--module', ...command.slice(at + 1)] : command.slice(at);
  return [
    ...command.slice(0, at),
    '-m',
    'torch.distributed.run',
    ...meeting,
    `--nproc_per_node=${processes}`,
    `--max_restarts=${restarts}`,
    ...program,
  ];
}
