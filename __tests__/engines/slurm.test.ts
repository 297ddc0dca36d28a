/** Trainings through a real Slurm of one node: succeeded, cancelled, warned, left by an action that was killed, and without a controller. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { TrainerConfig } from '../../src/records/program.ts';
import { expectNothingLeft } from '../support/leftovers.ts';
import { cancelAsRunner } from '../support/runner-cancel.ts';
import { type Cluster, startSlurm } from '../support/slurm.ts';
import type { StepResult } from '../support/step.ts';
import { TINY } from '../support/tiny-training.ts';
import { type StepMachine, stepMachine } from '../support/training-step.ts';

const launcher: TrainerConfig['launcher'] = {
  kind: 'slurm',
  nodes: 1,
  tasks: 1,
  gpus: 0,
  options: ['--comment=it is "quoted" $HOME'],
};

let cluster: Cluster;
let machine: StepMachine;
let trainer: string;
beforeAll(async () => {
  [cluster, machine] = await Promise.all([startSlurm(), stepMachine()]);
  trainer = await machine.trainer(TINY.files, { ...TINY.overrides, launcher });
}, 300_000);
afterEach(async () => {
  expect(await jobs()).toEqual([]);
  expect(await readdir(join(machine.root, 'cache', 'jobs')).catch(() => [])).toEqual([]);
  await expectNothingLeft(machine);
}, 60_000);
afterAll(async () => {
  await machine?.remove();
  await cluster?.stop();
}, 60_000);

/** The numbers of the jobs that wait or run; one that has ended is tidied up for a moment. */
async function jobs(): Promise<string[]> {
  for (let tries = 0; ; tries += 1) {
    const printed = await cluster.run('squeue', '--noheader', '--format=%A %T');
    const lines = printed.split('\n').filter(Boolean);
    const isSettled = lines.every((line) => !line.endsWith('COMPLETING'));
    if (isSettled || tries > 100) return lines.map((line) => line.split(' ')[0] ?? '');
    await sleep(100);
  }
}

function train(how: Parameters<StepMachine['step']>[1] = {}, of = trainer): Promise<StepResult> {
  return machine.step(of, {
    ...how,
    env: { ...cluster.env, PATH: `${machine.env.PATH}:${cluster.env.PATH}` },
  });
}

/** What a step came to; all that it said when that is another. */
function expectEnd({ status, outputs, stdout }: StepResult, expected: string): void {
  const found = `${outputs.state} ${status}`;
  if (found !== expected) throw new Error(`${found}, not ${expected}:\n${stdout.slice(-5000)}`);
}

function readOf({ outputs: { segment = '' } }: StepResult, output: string) {
  return machine.read(segment, output);
}

test('a training succeeds', async () => {
  const done = await train({ params: { seed: 1, steps: 10 } });
  expectEnd(done, 'succeeded 0');
  expect(done.stdout).toMatch(/Slurm job \d+ is submitted[\s\S]*working from step 0\n[\s\S]*did step 10\n/);
  const { config, output } = await readOf(done, 'model');
  expect(output).toMatch(/^[0-9a-f]{64}$/);
  expect(config.metrics).toEqual({ loss: 0.1 });
}, 60_000);

/** Takes its time to write what it has when it is asked to stop, and says that all went well. */
const SLOW = `
trap 'sleep 2; mkdir $TRAINYARD_CHECKPOINT_DIR/.c; echo 5 > $TRAINYARD_CHECKPOINT_DIR/.c/f; mv $TRAINYARD_CHECKPOINT_DIR/.c $TRAINYARD_CHECKPOINT_DIR/step-5; echo kept; exit 0' TERM
if [ -n "$TRAINYARD_RESUME_FROM" ]; then cat "$TRAINYARD_RESUME_FROM/f" > $TRAINYARD_OUTPUT_DIR/m; exit; fi
echo working
while :; do sleep 0.1; done`;

test('one that is cancelled as a runner does it has time for its checkpoint, and goes on from there', async () => {
  const slow = await machine.trainer({ 'train.sh': SLOW }, { command: ['sh', 'train.sh'], launcher });
  const cancelled = await train({ sign: 'working', when: cancelAsRunner }, slow);
  expectEnd(cancelled, 'cancelled 1');
  expect(cancelled.stdout).toContain('kept\n');
  expect(await jobs()).toEqual([]);
  const resumed = await train({}, slow);
  expectEnd(resumed, 'succeeded 0');
  expect((await readOf(resumed, 'm')).output).toBe('5\n');
}, 90_000);

test('Slurm’s early warning becomes a checkpoint, and a segment that the next one follows', async () => {
  const params = { seed: 2, steps: 60 };
  const when = async (): Promise<void> => {
    const [job = ''] = await jobs();
    await cluster.run('scancel', '--signal=USR1', '--batch', job);
  };
  const stopped = await train({ params, sign: 'did step 2', when });
  expectEnd(stopped, 'checkpointed 0');
  const { config } = await readOf(stopped, '');
  expect(config.reason).toMatch(/^Slurm job \d+ came near to its time limit/);
  const next = await train({ params });
  expectEnd(next, 'succeeded 0');
  expect(next.stdout).toMatch(/working from step [1-9]/);
}, 90_000);

test('the job of an action that was killed is ended by the next one, and what it had done is not done again', async () => {
  const params = { seed: 3, steps: 100 };
  const killed = await train({ params, sign: 'did step 20', when: (step) => step.kill('SIGKILL') });
  const left = await jobs();
  expect(left).toHaveLength(1);
  expect(killed.stdout).toContain(`Slurm job ${left[0]} is submitted`);
  const next = await train({ params });
  expectEnd(next, 'succeeded 0');
  expect(next.stdout).toMatch(/working from step (?!0)\d/);
}, 90_000);

test('the job of an action that was killed is ended by its post step', async () => {
  const params = { seed: 4, steps: 1000 };
  const killed = await train({ params, sign: 'did step 2', when: (step) => step.kill('SIGKILL') });
  expect(await jobs()).toHaveLength(1);
  const state = { ...killed.state, ...cluster.env, PATH: `${machine.env.PATH}:${cluster.env.PATH}` };
  expect(await machine.post({ ...killed, state })).toMatchObject({ status: 0 });
}, 90_000);

test('a controller that is down is waited for, and a job that somebody cancels is a cancelled training', async () => {
  let over: Promise<void> | undefined;
  const away = async (): Promise<void> => {
    const [job = ''] = await jobs();
    await cluster.stopController();
    await sleep(12_000);
    await cluster.startController();
    for (let tries = 0; tries < 50 && (await jobs().catch(() => [])).length === 0; tries += 1)
      await sleep(200);
    await cluster.run('scancel', job);
  };
  const when = (): void => {
    over = away();
  };
  const done = await train({ params: { seed: 5, steps: 1000 }, sign: 'did step 2', when });
  await over;
  expectEnd(done, 'cancelled 1');
  expect(Number(/[\s\S]*did step (\d+)/.exec(done.stdout)?.[1])).toBeGreaterThan(20);
}, 120_000);
