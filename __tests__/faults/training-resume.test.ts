/** Faults 34 to 37: whatever ends a training, the next attempt goes on from its newest checkpoint, and the model is right. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { expectNothingLeft } from '../support/leftovers.ts';
import { cancelAsRunner, loseHost } from '../support/runner-cancel.ts';
import { canMount, smallDisk } from '../support/small-disk.ts';
import type { StepResult } from '../support/step.ts';
import { TINY, tinyModel } from '../support/tiny-training.ts';
import { type StepMachine, stepMachine } from '../support/training-step.ts';

const STEPS = 8;

let machine: StepMachine;
let trainer: string;
/** Each test trains something of its own. */
let seed = 0;
beforeAll(async () => {
  machine = await stepMachine();
  trainer = await machine.trainer(TINY.files, TINY.overrides);
}, 120_000);
afterEach(() => expectNothingLeft(machine));
afterAll(() => machine.remove());

type Choices = NonNullable<Parameters<StepMachine['step']>[1]>;

const step = (choices: Choices = {}): Promise<StepResult> =>
  machine.step(trainer, { ...choices, params: { steps: STEPS, seed, ...choices.params } });

/** The step that a program began with. */
const begunAt = ({ stdout }: StepResult): number => Number(/^working from step (\d+)/m.exec(stdout)?.[1]);
const last = ({ stdout }: StepResult): number =>
  Number(
    stdout
      .match(/did step \d+/g)
      ?.at(-1)
      ?.slice(9) ?? 0,
  );

/** Trains to the end, and holds the model against that of a training without interruption. */
async function finish(choices: Choices = {}): Promise<StepResult> {
  const done = await step(choices);
  expect(done).toMatchObject({ status: 0, outputs: { state: 'succeeded' } });
  const { output } = await machine.read(String(done.outputs.run), 'model');
  expect(output).toBe(tinyModel(STEPS, seed));
  return done;
}

describe('the next attempt goes on', () => {
  test('after a job that was cancelled as a runner does it', async () => {
    seed += 1;
    const cancelled = await step({ sign: 'did step 3\n', when: cancelAsRunner });
    expect(cancelled).toMatchObject({ status: 1, outputs: { run: '', state: 'cancelled' } });
    expect(await machine.post(cancelled)).toMatchObject({ status: 0 });
    expect(begunAt(await finish())).toBe(last(cancelled));
  });

  test('after the action alone was killed, from what its post step saved', async () => {
    seed += 1;
    const killed = await step({ sign: 'did step 3\n', when: (one) => one.kill('SIGKILL') });
    expect(await machine.post(killed)).toMatchObject({ status: 0 });
    expect(begunAt(await finish())).toBeGreaterThanOrEqual(last(killed));
  });

  test('after its host was lost, on that host: nothing is lost that was renamed into its place', async () => {
    seed += 1;
    const lost = await step({ sign: 'did step 3\n', when: () => loseHost(machine.root) });
    expect(begunAt(await finish())).toBeGreaterThanOrEqual(last(lost));
  });

  test('after its host was lost with its disk, on another one', async () => {
    seed += 1;
    const params = { pause: 0.4 };
    await step({ params, sign: ' is durable', when: () => loseHost(machine.root) });
    await rm(join(machine.yard, 'tmp'), { recursive: true });
    expect(begunAt(await finish({ params }))).toBeGreaterThanOrEqual(1);
  });
});

(canMount() ? test : test.skip)('a full disk of checkpoints is told, and costs no training', async () => {
  seed += 1;
  const unmount = smallDisk(machine.checkpoints, 1);
  try {
    const fill = (): Promise<void> =>
      writeFile(join(machine.checkpoints, 'full'), Buffer.alloc(2 ** 20)).catch(() => {});
    const done = await finish({ params: { pause: 0.4 }, sign: 'did step 1\n', when: fill });
    expect(done.stdout).toMatch(
      /::warning::checkpoint step-\d is not durable, the one before stays: .*ENOSPC/,
    );
  } finally {
    unmount();
  }
});
