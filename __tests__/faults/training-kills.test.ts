/** SIGKILL at 20 random moments of a training, from the bundle that users run: each attempt goes on, and the model is right. */
import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { getManifest } from '../../src/store/records.ts';
import { expectNothingLeft } from '../support/leftovers.ts';
import { processesOf } from '../support/processes.ts';
import { loseHost } from '../support/runner-cancel.ts';
import type { StepResult } from '../support/step.ts';
import { TINY, tinyModel } from '../support/tiny-training.ts';
import { type StepMachine, stepMachine } from '../support/training-step.ts';

const KILLS = 20;
const STEPS = 8;
const SEED = Number(process.env.TEST_SEED || Date.now() % 1_000_000);

let machine: StepMachine;
let trainer: string;
/** A training that succeeded before it was killed often enough is followed by another. */
let training = 1;
beforeAll(async () => {
  machine = await stepMachine();
  trainer = await machine.trainer(TINY.files, TINY.overrides);
}, 120_000);
afterAll(() => machine.remove());

/** Numbers from 0 to 1 (mulberry32). */
let state = SEED;
function random(): number {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}

const WAYS: Readonly<Record<string, (step: ChildProcess) => unknown>> = {
  host: () => loseHost(machine.root),
  action: (step) => step.kill('SIGKILL'),
  program: async () => {
    for (const pid of await processesOf(machine.root)) {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (command.includes('train.py')) process.kill(pid, 'SIGKILL');
    }
  },
};

const step = (when?: (step: ChildProcess) => unknown): Promise<StepResult> =>
  machine.step(trainer, {
    params: { steps: STEPS, seed: training },
    bundled: true,
    ...(when !== undefined && { when }),
  });

async function expectRight(done: StepResult): Promise<void> {
  const { output } = await machine.read(String(done.outputs.run), 'model');
  expect(output).toBe(tinyModel(STEPS, training));
  training += 1;
}

test(`a training that is killed ${KILLS} times (TEST_SEED=${SEED})`, async () => {
  const begin = performance.now();
  await expectRight(await step());
  const wholeMs = performance.now() - begin;
  const story: string[] = [];
  for (let kills = 0; kills < KILLS; ) {
    const [name = '', way] = Object.entries(WAYS)[Math.floor(random() * 3)] ?? [];
    const delayMs = random() * wholeMs;
    let killed: unknown;
    const result = await step((one) => {
      const timer = setTimeout(() => {
        kills += 1;
        killed = way?.(one);
      }, delayMs);
      one.once('exit', () => clearTimeout(timer));
    });
    await killed;
    story.push(`${name} after ${Math.round(delayMs)} ms: ${result.status} ${result.outputs.state}`);
    if (result.outputs.state === 'succeeded') await expectRight(result);
    else if (random() < 0.5) expect(await machine.post(result)).toMatchObject({ status: 0 });
  }
  const done = await step();
  expect({ story, status: done.status, stdout: done.stdout }).toMatchObject({ status: 0 });
  await expectRight(done);
  await expectNothingLeft(machine);
  // What is named in the hand-off is whole.
  for (const digest of new Set((await machine.store.names('')).values())) {
    const found = await getManifest(machine.store, digest);
    for (const { digest: blob } of found?.manifest.layers ?? [])
      expect(await machine.store.has(blob)).toBe(true);
  }
}, 180_000);
