import { UserError } from '../../lib/errors.ts';

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
  const [python = '', ...rest] = command;
  const at = rest.findIndex((word) => word === '-m' || !word.startsWith('-'));
  if (!isPython(python) || at < 0)
    throw new UserError(
      `the launcher torchrun starts Python programs, and trainer.command is ${JSON.stringify(command.join(' '))}; write it as python train.py …, or python -m package.train …`,
    );
  const flags = rest.slice(0, at);
  const program = rest[at] === '-m' ? ['--module', ...rest.slice(at + 1)] : rest.slice(at);
  return [
    python,
    ...flags,
    '-m',
    'torch.distributed.run',
    ...meeting,
    `--nproc_per_node=${processes}`,
    `--max_restarts=${restarts}`,
    ...program,
  ];
}

function isPython(word: string): boolean {
  return /^(.*\/)?python(\d+(\.\d+)?)?$/.test(word);
}
