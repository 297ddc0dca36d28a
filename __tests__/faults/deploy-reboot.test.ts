/** Something is live by the ledger's word, and nothing serves; and a store that is gone at any time. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Step } from '../../src/deploy/ledger.ts';
import { type Digest, digestOf } from '../../src/lib/digest.ts';
import { deployStep } from '../support/deploy-step.ts';
import { memoryOf, startDeploy, toldBy } from '../support/deploys.ts';
import { until } from '../support/fronts.ts';
import { HERE, type Machine, outcomeOf, servingMachine } from '../support/machines.ts';
import { processesOf } from '../support/processes.ts';
import { loseHost } from '../support/runner-cancel.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
beforeEach(async () => {
  machine = await servingMachine();
});
afterEach(() => machine.remove());

const KEY = { API_KEY: 'open sesame' };

/** A release is live, and the machine has rebooted since. */
async function rebooted(): Promise<Digest> {
  const one = await machine.release({ model: 'one', secrets: ['API_KEY'] });
  await machine.deploy(one, { env: { ...process.env, ...KEY } });
  await loseHost(machine.state);
  // A socket that nobody listens to is left.
  expect(await machine.front.find()).toBeUndefined();
  expect(await memoryOf(machine)).toMatchObject({ live: { release: one } });
  return one;
}

describe('the machine has rebooted', () => {
  test('the last deploy, run again, brings it back', async () => {
    const one = await rebooted();
    const step = await deployStep(machine, { release: one }, { env: KEY });
    expect(step).toMatchObject({ status: 0, outputs: { outcome: 'live' } });
    expect(await machine.served()).toMatchObject({ release: one, state: 'up' });
  });

  test('a release that fails starts what was live last, where its secrets are given', async () => {
    const one = await rebooted();
    const bad = await machine.release({ config: { MODE: 'dies' } });
    const step = await deployStep(machine, { release: bad }, { env: KEY });
    expect(step).toMatchObject({ status: 1, outputs: { outcome: 'refused' } });
    expect(step.stdout).toContain(`${one.slice(7, 19)}, which was live last, is started again`);
    expect(await machine.served()).toMatchObject({ release: one, state: 'up' });
    expect((await toldBy(machine)).at(-1)).toMatchObject({ outcome: 'refused', before: one });
  });

  test('a release that fails, without the secrets of what was live last: exit status 3, and which they are', async () => {
    const one = await rebooted();
    const bad = await machine.release({ config: { MODE: 'dies' } });
    const step = await deployStep(machine, { release: bad });
    expect(step).toMatchObject({ status: 3, outputs: { outcome: 'restore-failed' } });
    expect((await toldBy(machine)).at(-1)?.checks.at(-1)).toMatchObject({
      name: 'the one before',
      passed: false,
      detail: expect.stringContaining('does not have: API_KEY'),
    });
    expect(await processesOf(machine.state)).toEqual([]);
    // It is still known what was live.
    expect(await memoryOf(machine)).toMatchObject({ live: { release: one } });
    expect((await deployStep(machine, { release: one }, { env: KEY })).outputs.outcome).toBe('live');
  });

  test('a release that fails, and what was live last does not start either: nothing is left of both', async () => {
    const env = { ...process.env, MODE: 'well' };
    await machine.deploy(await machine.release({ model: 'one', secrets: ['MODE'] }), { env });
    await loseHost(machine.state);
    const bad = await machine.release({ config: { MODE: 'dies' } });
    expect(outcomeOf(await machine.deploy(bad, { env: { ...env, MODE: 'dies' } }))).toEqual([
      'restore-failed',
      null,
    ]);
    await until(async () => (await processesOf(machine.state)).length === 0);
  });

  test('previous is of what was live, and needs no store', async () => {
    const env = { ...process.env, ...KEY };
    const one = await rebooted();
    await machine.deploy(await machine.release({ model: 'two' }), { env });
    await loseHost(machine.state);
    const store = join(machine.root, 'another');
    const step = await deployStep(machine, { release: 'previous', ...HERE, store }, { env: KEY });
    expect(step).toMatchObject({ status: 0, outputs: { outcome: 'live' } });
    expect((await machine.served()).release).toBe(one);
  });
});

describe.each<Step>(['committing', 'recording'])('it has rebooted after a deploy that was %s', (step) => {
  /** Ends a deploy once it is final, before it is recorded; then the machine. */
  async function lostAfter(release: Digest): Promise<void> {
    expect(await startDeploy(machine, release, { step }).ended).toMatchObject({ signal: 'SIGKILL' });
    await loseHost(machine.state);
  }
  const told = async () => (await toldBy(machine)).map(({ release, outcome }) => [release, outcome]);

  test('what a roll-back left is held', async () => {
    const [one, two] = [await machine.release({ model: 'one' }), await machine.release({ model: 'two' })];
    await machine.deploy(one);
    await machine.deploy(two);
    await lostAfter(one);
    const push = { byHand: false, cause: { actor: 'bot', event: 'push' } };
    expect(outcomeOf(await machine.deploy(two, push))).toEqual(['held', one]);
    expect((await toldBy(machine)).slice(2)).toMatchObject([
      { release: one, outcome: 'live', before: two, holds: two, reason: null },
      { release: two, outcome: 'held' },
    ]);
    expect(await memoryOf(machine)).toEqual({ live: { release: one, token: 3 } });
  });

  test('its release is what a bad one leaves, and from which previous counts', async () => {
    const [one, two] = [await machine.release({ model: 'one' }), await machine.release({ model: 'two' })];
    await machine.deploy(one);
    await lostAfter(two);
    const bad = await machine.release({ config: { MODE: 'dies' } });
    expect(outcomeOf(await machine.deploy(bad))).toEqual(['refused', two]);
    expect(await machine.served()).toMatchObject({ release: two, state: 'up' });
    await machine.deploy('previous', HERE);
    expect((await machine.served()).release).toBe(one);
  });

  test('the first release, too, was live', async () => {
    const one = await machine.release({ model: 'one' });
    await lostAfter(one);
    expect(outcomeOf(await machine.deploy(one))).toEqual(['live', null]);
    expect(await told()).toEqual([
      [one, 'live'],
      [one, 'live'],
    ]);
  });
});

describe('the store is gone', () => {
  let one: Digest;
  let two: Digest;
  const yard = () => join(machine.root, 'yard');
  const away = () => join(machine.root, 'away');
  beforeEach(async () => {
    one = await machine.release({ model: 'one' });
    two = await machine.release({ model: 'two' });
    await machine.deploy(one);
  });

  /** Takes the store away, and leaves no place for another. */
  async function takeAway(): Promise<void> {
    await rename(yard(), away());
    await writeFile(yard(), '');
  }

  async function giveBack(): Promise<void> {
    await rm(yard());
    await rename(away(), yard());
  }

  test('before the deploy: nothing has changed', async () => {
    await takeAway();
    const step = await deployStep(machine, { release: two });
    expect(step).toMatchObject({ status: 1, outputs: {} });
    expect((await machine.served()).release).toBe(one);
    await giveBack();
    expect(await toldBy(machine)).toHaveLength(1);
    expect(outcomeOf(await machine.deploy(two))).toEqual(['live', one]);
  });

  test('while the release is brought: nothing has changed, and the next deploy brings it whole', async () => {
    const weights = machine.store.pathOf(digestOf(Buffer.from('two')));
    await mkdir(away());
    await rename(weights, join(away(), 'weights'));
    await expect(machine.deploy(two)).rejects.toThrow(digestOf(Buffer.from('two')));
    expect(await machine.served()).toMatchObject({ release: one, state: 'up' });
    expect(await memoryOf(machine)).toEqual({ live: { release: one, token: 1 } });
    await rename(join(away(), 'weights'), weights);
    expect(outcomeOf(await machine.deploy(two))).toEqual(['live', one]);
    expect(await toldBy(machine)).toHaveLength(2);
  });

  test('after the switch: the release serves, the step fails, and says why', async () => {
    const watched = await machine.release({
      model: 'three',
      probing: { rate: 5, errors: 0, windowSeconds: 0, watchSeconds: 4 },
    });
    const step = await deployStep(machine, { release: watched }, { at: 'watching', act: takeAway });
    expect(step).toMatchObject({ status: 1, outputs: { outcome: 'live' } });
    expect(step.stdout).toMatch(
      /^::error::the release is live at http:\S+, but the store \S+yard does not know of it: /m,
    );
    expect((await machine.served()).release).toBe(watched);
    await giveBack();
    expect((await deployStep(machine, { release: watched })).outputs.outcome).toBe('unchanged');
    // The store has learnt of what it missed.
    expect((await toldBy(machine)).map(({ outcome, before }) => [outcome, before])).toEqual([
      ['live', null],
      ['live', one],
      ['unchanged', watched],
    ]);
  });
});
