/** Fault 40 with the action that users run: its step is killed, or its machine is lost, and the job is run again there. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Step } from '../../src/deploy/ledger.ts';
import type { Digest } from '../../src/lib/digest.ts';
import { deployStep } from '../support/deploy-step.ts';
import { memoryOf, toldBy } from '../support/deploys.ts';
import { HERE, type Machine, servingMachine } from '../support/machines.ts';
import { processesOf } from '../support/processes.ts';
import { loseHost } from '../support/runner-cancel.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(180_000);

const probing = { rate: 5, errors: 0, windowSeconds: 3, watchSeconds: 3 };

let machine: Machine;
let one: Digest;
let two: Digest;
beforeEach(async () => {
  machine = await servingMachine();
  one = await machine.release({ model: 'one' });
  two = await machine.release({ model: 'two', probing });
  const step = await deployStep(machine, { release: one }, { bundled: true });
  expect(step).toMatchObject({ status: 0, stderr: '', outputs: { outcome: 'live' } });
});
afterEach(() => machine.remove());

const told = async () => (await toldBy(machine)).map(({ release, outcome }) => [release, outcome]);

test.each<Step>(['probing', 'watching'])('killed while %s, and run again: live', async (at) => {
  const killed = await deployStep(
    machine,
    { release: two },
    { at, act: (step) => step.kill('SIGKILL'), bundled: true },
  );
  expect(killed.status).toBeNull();
  expect([one, two]).toContain((await machine.served()).release);
  const again = await deployStep(machine, { release: two }, { bundled: true });
  expect(again).toMatchObject({ status: 0, stderr: '', outputs: { outcome: 'live' } });
  expect(again.stdout).toContain(`was killed while ${at}; it is undone first`);
  expect(await told()).toEqual([
    [one, 'live'],
    [two, 'interrupted'],
    [two, 'live'],
  ]);
  expect(await memoryOf(machine)).toEqual({ live: { release: two, token: 3 } });
  expect(await machine.served()).toMatchObject({
    release: two,
    state: 'up',
    deployment: again.outputs.deployment,
  });
  expect(await processesOf(machine.state)).toHaveLength(2);
  expect(await readdir(join(machine.state, 'releases'))).toHaveLength(1);
  const back = await deployStep(machine, { release: 'previous', ...HERE }, { bundled: true });
  expect(back).toMatchObject({ status: 0, outputs: { outcome: 'live' } });
  expect((await machine.served()).release).toBe(one);
});

test('the machine is lost while the release is on trial, and the job is run again after it: live', async () => {
  const act = () => loseHost(machine.root);
  const killed = await deployStep(machine, { release: two }, { at: 'watching', act, bundled: true });
  expect(killed.status).toBeNull();
  expect(await processesOf(machine.state)).toEqual([]);
  const again = await deployStep(machine, { release: two }, { bundled: true });
  expect(again).toMatchObject({ status: 0, stderr: '', outputs: { outcome: 'live' } });
  expect((await told()).at(-1)).toEqual([two, 'live']);
  expect(await machine.served()).toMatchObject({ release: two, state: 'up' });
  expect(await processesOf(machine.state)).toHaveLength(2);
});
