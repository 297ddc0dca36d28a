/** Faults 34 and 36: a job is cancelled exactly as a runner does it, with no token that is worth anything; from the bundle that users run. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { expectNothingLeft } from '../support/leftovers.ts';
import { cancelAsRunner } from '../support/runner-cancel.ts';
import { isAlive } from '../support/training.ts';
import { type StepMachine, stepMachine } from '../support/training-step.ts';

/** Of a job that has run for longer than 24 hours. */
const EXPIRED = {
  GITHUB_TOKEN: 'ghs_expired',
  ACTIONS_RUNTIME_TOKEN: 'eyJhbGciOiJub25lIn0.eyJleHAiOjF9.',
  ACTIONS_RESULTS_URL: 'http://127.0.0.1:1/',
};

let machine: StepMachine;
beforeAll(async () => {
  machine = await stepMachine();
}, 120_000);
afterEach(() => expectNothingLeft(machine));
afterAll(() => machine.remove());

describe('a job that is cancelled', () => {
  test('ends a program that does not want to, and what left its session and its environment', async () => {
    const trainer = await machine.trainer(
      {
        'train.sh': `trap '' TERM INT; setsid sh -c 'trap "" TERM; exec sleep 1001' & env -i sh -c 'trap "" TERM; exec sleep 1002' &
          echo "working $$ $!"; while :; do sleep 0.1; done`,
      },
      { command: ['sh', 'train.sh'] },
    );
    const step = await machine.step(trainer, {
      env: EXPIRED,
      sign: 'working ',
      when: cancelAsRunner,
      bundled: true,
    });
    expect(step).toMatchObject({ status: 1, stderr: '', outputs: { run: '', state: 'cancelled' } });
    expect(step.summary).toMatch(/^### ⏹ .* · cancelled after /);
    const [, ...pids] = /working (\d+) (\d+)/.exec(step.stdout) ?? [];
    expect(pids.map((pid) => isAlive(Number(pid)))).toEqual([false, false]);
    expect(await machine.post(step)).toMatchObject({ status: 0, summary: '' });
  });

  test('though its step can do nothing itself: the runner ends the tree, and the post step tidies up', async () => {
    const trainer = await machine.trainer(
      { 'train.sh': `trap '' TERM INT; setsid sleep 1003 & echo "working $!"; while :; do sleep 0.1; done` },
      { command: ['sh', 'train.sh'] },
    );
    const step = await machine.step(trainer, {
      env: EXPIRED,
      sign: 'working ',
      when: (one) => {
        one.kill('SIGSTOP');
        return cancelAsRunner(one);
      },
      bundled: true,
    });
    expect(step.status).toBeNull();
    const post = await machine.post(step);
    expect(post.status).toBe(0);
    expect(post.stdout).toContain('the workspace of the training is removed');
  });
});
