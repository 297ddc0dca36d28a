/** Two jobs of one training at once, on machines that share a folder of checkpoints and a hand-off. */
import type { ChildProcess } from 'node:child_process';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { expectNothingLeft } from '../support/leftovers.ts';
import type { StepResult } from '../support/step.ts';
import { TINY, tinyModel } from '../support/tiny-training.ts';
import { type StepMachine, stepMachine } from '../support/training-step.ts';

let machine: StepMachine;
let trainer: string;
beforeAll(async () => {
  machine = await stepMachine();
  trainer = await machine.trainer(TINY.files, TINY.overrides);
}, 120_000);
afterEach(() => expectNothingLeft(machine));
afterAll(() => machine.remove());

const STEPS = 12;

/** Starts a second job once the first one trains; `then` gets the first one once the second one waits. */
async function together(seed: number, then: (first: ChildProcess) => unknown): Promise<StepResult[]> {
  const params = { steps: STEPS, pause: 0.3, seed };
  let second: Promise<StepResult> | undefined;
  const first = await machine.step(trainer, {
    params,
    sign: 'did step 1\n',
    when: (one) => {
      second = machine.step(trainer, { params, sign: 'another job trains the same', when: () => then(one) });
    },
  });
  if (second === undefined) throw new Error('the first job did not train');
  return [first, await second];
}

test('one trains, the other waits and reuses', async () => {
  const [first, second] = await together(1, () => {});
  expect(first).toMatchObject({ status: 0, outputs: { state: 'succeeded' } });
  expect(second).toMatchObject({ status: 0, outputs: first?.outputs });
  expect(second?.stdout).not.toContain('working from');
});

test('when the first one is killed, the other ends what it left and goes on from its checkpoint', async () => {
  const [first, second] = await together(2, (one) => one.kill('SIGKILL'));
  expect(first?.status).toBeNull();
  expect(second).toMatchObject({ status: 0, outputs: { state: 'succeeded' } });
  expect(second?.stdout).toMatch(/^working from step [1-9]/m);
  const { output } = await machine.read(String(second?.outputs.run), 'model');
  expect(output).toBe(tinyModel(STEPS, 2));
});
