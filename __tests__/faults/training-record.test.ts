/** Fault 36, at the end: the training is done, and what its Run is written to takes nothing any more. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { MachineError } from '../../src/lib/errors.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { expectNothingLeft } from '../support/leftovers.ts';
import { TINY, tinyModel } from '../support/tiny-training.ts';
import { type TrainingMachine, trainingMachine } from '../support/training.ts';

let machine: TrainingMachine;
beforeAll(async () => {
  machine = await trainingMachine();
}, 120_000);
afterAll(() => machine.remove());

/** Names nothing, as a registry whose token has expired. */
class ExpiredStore extends LayoutStore {
  override put(): Promise<never> {
    return Promise.reject(new MachineError('401: the token has expired'));
  }
}

test('a Run that cannot be written costs the last steps of its training at most', async () => {
  const yard = join(machine.root, 'yard');
  const train = (handoff: LayoutStore) =>
    machine.train(TINY.files, TINY.overrides, { steps: 3 }, { handoff });
  await expect(train(new ExpiredStore(yard))).rejects.toThrow('401: the token has expired');
  expect(machine.log.lines.at(-1)).toMatch(/^checkpoint step-3 is durable/);
  await expectNothingLeft({ root: machine.root, leases: machine.deps.leases, yard });
  const result = await train(machine.handoff);
  expect(machine.printed()).toMatch(/^working from step 3$/m);
  expect(await machine.output(result, 'model')).toBe(tinyModel(3, 1));
});
