/** A deploy that is cancelled exactly as a runner does it, at each of its steps: what served goes on, and that is proved. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Step } from '../../src/deploy/ledger.ts';
import type { Digest } from '../../src/lib/digest.ts';
import type { Outcome } from '../../src/records/deployment.ts';
import { copyRecord } from '../../src/store/copy.ts';
import { historyOf } from '../../src/store/history.ts';
import { deployStep } from '../support/deploy-step.ts';
import { memoryOf, startDeploy, toldBy, whenStopped } from '../support/deploys.ts';
import { until } from '../support/fronts.ts';
import { HERE, type Machine, outcomeOf, servingMachine, servingOne } from '../support/machines.ts';
import { processesOf } from '../support/processes.ts';
import { registryStores } from '../support/registries.ts';
import { startRegistry } from '../support/registry.ts';
import type { ReleaseChoices } from '../support/releases.ts';
import { cancelAsRunner } from '../support/runner-cancel.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
let one: Digest;
beforeEach(async () => {
  ({ machine, one } = await servingOne());
});
afterEach(() => machine.remove());

const proved = ['release in public (the one before)', 'golden requests in public (the one before)'];

/** The last Deployment says that it was cancelled, and that the one before was proved. */
async function expectOneServes(outcome: Outcome): Promise<void> {
  expect((await toldBy(machine)).at(-1)).toMatchObject({ outcome, reason: 'cancelled', before: one });
  const checks = (await toldBy(machine)).at(-1)?.checks.filter(({ passed }) => passed) ?? [];
  expect(checks.map(({ name }) => name)).toEqual(expect.arrayContaining(proved));
  expect(await machine.served()).toMatchObject({ release: one, state: 'up' });
  await until(async () => (await processesOf(machine.state)).length === 2);
  expect(await memoryOf(machine)).toMatchObject({ live: { release: one } });
  expect(await memoryOf(machine)).not.toHaveProperty('journal');
}

const window = { rate: 5, errors: 0, windowSeconds: 0, watchSeconds: 0 };

describe('the step', () => {
  test.each<[Step, Outcome, Partial<ReleaseChoices>]>([
    ['starting', 'refused', { config: { MODE: 'hangs' }, server: { readyTimeoutSeconds: 90 } }],
    ['probing', 'refused', { model: 'two', probing: { ...window, windowSeconds: 90 } }],
    ['watching', 'rolled-back', { model: 'two', probing: { ...window, watchSeconds: 90 } }],
  ])('is cancelled while %s, and says so: %s', async (at, outcome, choices) => {
    const release = await machine.release(choices);
    const step = await deployStep(machine, { release }, { at, act: cancelAsRunner });
    expect(step).toMatchObject({ status: 1, stderr: '', outputs: { outcome } });
    expect(step.stdout).toContain(
      `::error::test: release ${release.slice(7, 19)} is ${outcome}: cancelled; ${one.slice(7, 19)} `,
    );
    await expectOneServes(outcome);
  });

  test('is cancelled while the release, well alone, hangs in public', async () => {
    const release = await machine.release({ config: { MODE: 'stalls' } });
    const step = await deployStep(machine, { release }, { at: 'watching', act: cancelAsRunner });
    expect(step).toMatchObject({ status: 1, outputs: { outcome: 'rolled-back' } });
    await expectOneServes('rolled-back');
  });

  test('is cancelled, and a registry learns of it: what was undone and proved is recorded there', async () => {
    const registry = await startRegistry();
    const stores = await registryStores(registry);
    try {
      const release = await machine.release({ model: 'two', probing: { ...window, watchSeconds: 90 } });
      const store = stores.open('toy');
      await copyRecord(machine.store, store, release);
      const place = `oci://${registry.host}/acme/toy`;
      const step = await deployStep(
        machine,
        { release, store: place },
        { at: 'watching', act: cancelAsRunner },
      );
      expect(step).toMatchObject({ status: 1, outputs: { outcome: 'rolled-back' } });
      const told = await historyOf({ records: store, ...HERE });
      expect(told).toMatchObject([{ outcome: 'rolled-back', reason: 'cancelled', before: one }]);
      expect(await machine.served()).toMatchObject({ release: one, state: 'up' });
    } finally {
      await stores.close();
    }
  });

  test('is cancelled before there is anything to go back to: nothing is left running', async () => {
    const other = await servingMachine();
    try {
      const release = await other.release({ config: { MODE: 'hangs' }, server: { readyTimeoutSeconds: 90 } });
      const step = await deployStep(other, { release }, { at: 'starting', act: cancelAsRunner });
      expect(step).toMatchObject({ status: 1, outputs: { outcome: 'refused' } });
      await until(async () => (await processesOf(other.state)).length === 0);
    } finally {
      await other.remove();
    }
  });
});

describe('the signal comes just as a step begins', () => {
  async function cancelledAt(step: Step, release: Digest): Promise<string> {
    const { child, ended } = startDeploy(machine, release, { step, signal: 'SIGSTOP' });
    await whenStopped(child);
    const cancelling = cancelAsRunner(child);
    child.kill('SIGCONT');
    await cancelling;
    return (await ended).stdout;
  }

  test.each<[Step, Outcome]>([
    ['starting', 'refused'],
    ['probing', 'refused'],
    ['switching', 'rolled-back'],
    ['watching', 'rolled-back'],
  ])('%s: %s', async (step, outcome) => {
    expect(await cancelledAt(step, await machine.release({ model: 'two' }))).toBe(outcome);
    await expectOneServes(outcome);
  });

  test.each<Step>(['committing', 'recording'])('%s: too late, it is live', async (step) => {
    const two = await machine.release({ model: 'two' });
    expect(await cancelledAt(step, two)).toBe('live');
    expect((await machine.served()).release).toBe(two);
    expect(outcomeOf(await machine.deploy(two))).toEqual(['unchanged', two]);
  });

  test('undoing: that is done to its end', async () => {
    const bad = await machine.release({ config: { OFFSET: '1' } });
    expect(await cancelledAt('undoing', bad)).toBe('refused');
    expect((await machine.served()).release).toBe(one);
    expect((await toldBy(machine)).at(-1)).toMatchObject({ outcome: 'refused', before: one });
  });
});
