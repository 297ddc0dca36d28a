/** Trainings by a real torchrun with PyTorch for CPUs: its processes meet, and none of them outlives a cancelled training. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { pythonOf } from '../../scripts/python.ts';
import { torch } from '../../scripts/torch.ts';
import { expectNothingLeft } from '../support/leftovers.ts';
import { cancelAsRunner } from '../support/runner-cancel.ts';
import { isAlive } from '../support/training.ts';
import { type StepMachine, stepMachine } from '../support/training-step.ts';

/** Sums the ranks of all processes; `stubborn` ones work on, whatever they are asked; the second fails once when told to. */
const SCRIPT = `
import os, signal, sys, time
import torch.distributed as dist
how = sys.argv[1]
rank, attempt = int(os.environ["RANK"]), int(os.environ["TORCHELASTIC_RESTART_COUNT"])
if how == "failing" and rank == 1 and attempt == 0:
    sys.exit("no luck at first")
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print(f"worker {os.getpid()} of session {os.getsid(0)}\\n", end="", flush=True)
    time.sleep(1000)
sum = rank + 1
if how == "summing":
    import torch
    dist.init_process_group("gloo")
    total = torch.tensor([rank + 1])
    dist.all_reduce(total)
    sum = int(total)
if rank == 0:
    with open(os.environ["TRAINYARD_OUTPUT_DIR"] + "/sum", "w") as file:
        file.write(f"{sum} {attempt}")
`;

let machine: StepMachine;
let trainer: string;
let env: Record<string, string>;
beforeAll(async () => {
  machine = await stepMachine();
  env = { ...(await torch()) };
  trainer = await machine.trainer(
    { 'train.py': SCRIPT },
    {
      command: [await pythonOf('torch-frameworks'), 'train.py', '${params.how}'],
      params: { how: 'summing' },
      env: ['PYTHONPATH', 'LD_LIBRARY_PATH'],
      launcher: { kind: 'torchrun', processes: 2, restarts: 1 },
    },
  );
}, 600_000);
afterEach(() => expectNothingLeft(machine));
afterAll(() => machine.remove());

test.each([
  ['summing', '3 0'],
  ['failing', '1 1'],
])(
  '%s',
  async (how, expected) => {
    const done = await machine.step(trainer, { params: { how }, env });
    if (done.status !== 0) throw new Error(done.stdout.slice(-5000));
    const { run = '' } = done.outputs;
    expect((await machine.read(run, 'sum')).output).toBe(expected);
  },
  120_000,
);

test('workers with sessions of their own, that do not heed SIGTERM, end with a cancelled training', async () => {
  const params = { how: 'stubborn' };
  const done = await machine.step(trainer, { params, env, sign: 'worker ', when: cancelAsRunner });
  expect(done).toMatchObject({ status: 1, outputs: { state: 'cancelled' } });
  const workers = [...done.stdout.matchAll(/^worker (\d+) of session (\d+)/gm)];
  expect(workers.length).toBeGreaterThan(0);
  for (const [, pid] of workers) expect(isAlive(Number(pid))).toBe(false);
}, 120_000);
