/** A deploy that is killed after any of its steps, and what the next one makes of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type Step, step } from '../../src/deploy/ledger.ts';
import { type Digest, digestOf } from '../../src/lib/digest.ts';
import type { Outcome } from '../../src/records/deployment.ts';
import { type Event, findPrevious } from '../../src/records/history.ts';
import { historyOf } from '../../src/store/history.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { until } from '../support/fronts.ts';
import { HERE, type Machine, outcomeOf, servingOne } from '../support/machines.ts';
import { processesOf } from '../support/processes.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(180_000);

let machine: Machine;
let one: Digest;
let two: Digest;
beforeEach(async () => {
  ({ machine, one } = await servingOne());
  two = await machine.release({ model: 'two' });
});
afterEach(() => machine.remove());

const DEPLOY = join(import.meta.dirname, '..', 'support', 'deploy-main.ts');

/** Deploys in a process that kills itself after a step. */
async function killedAfter(what: Step | 'recorded', release: Digest): Promise<void> {
  const child = spawn(process.execPath, [DEPLOY, machine.root, release, what], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
}

/** What the machine and the store say of the releases that were deployed, the oldest first. */
async function told(): Promise<(readonly [Digest, Outcome])[]> {
  const [here, there] = [
    await historyOf({ records: new LayoutStore(machine.state), ...HERE }),
    await historyOf({ records: machine.store, ...HERE }),
  ];
  expect(here).toEqual(there);
  return here.map(({ release, outcome }) => [release, outcome]);
}

async function memory(): Promise<unknown> {
  return JSON.parse(await readFile(join(machine.state, 'deploy.json'), 'utf8'));
}

describe('the deploy of a release that is well', () => {
  const undone: readonly Step[] = ['starting', 'probing', 'switching', 'watching'];
  const finished = ['committing', 'recording', 'recorded'] as const;

  test('every step is among those below', () => {
    const below = [...undone, ...finished, 'undoing'].filter((name) => name !== 'recorded');
    expect(new Set(below)).toEqual(new Set(step.options));
  });

  test.each(undone)('killed while %s: the next one undoes it and goes all the way', async (what) => {
    await killedAfter(what, two);
    expect(await memory()).toMatchObject({ journal: { step: what, release: two, before: one } });
    // Something serves all the time.
    expect([one, two]).toContain((await machine.served()).release);
    expect(outcomeOf(await machine.deploy(two))).toEqual(['live', one]);
    expect(await told()).toEqual([
      [one, 'live'],
      [two, 'interrupted'],
      [two, 'live'],
    ]);
    expect(await memory()).toEqual({ live: { release: two, token: 3 } });
    expect((await machine.served()).release).toBe(two);
    expect(await processesOf(machine.state)).toHaveLength(2);
  });

  test.each(finished)('killed while %s: the next one finishes it', async (what) => {
    await killedAfter(what, two);
    expect((await machine.served()).release).toBe(two);
    const { rollout, hasPrevious } = await machine.deploy(two);
    expect([rollout.outcome, rollout.before, hasPrevious]).toEqual(['unchanged', two, true]);
    expect(await told()).toEqual([
      [one, 'live'],
      [two, 'live'],
      [two, 'unchanged'],
    ]);
    expect(await processesOf(machine.state)).toHaveLength(2);
    expect(await machine.front.status()).not.toHaveProperty('previous');
  });

  test('killed after the switch: a release that is refused next leaves what was proved', async () => {
    await killedAfter('watching', two);
    const { rollout } = await machine.deploy(await machine.release({ config: { MODE: 'dies' } }));
    expect([rollout.outcome, rollout.before]).toEqual(['refused', one]);
    expect((await machine.served()).release).toBe(one);
  });

  test('killed, and the machine rebooted: what was live last is started again', async () => {
    await killedAfter('watching', two);
    process.kill((await machine.front.status()).pid, 'SIGKILL');
    await until(async () => (await machine.front.find()) === undefined);
    const { rollout } = await machine.deploy(await machine.release({ config: { MODE: 'dies' } }));
    expect([rollout.outcome, rollout.before]).toEqual(['refused', one]);
    expect(await machine.served()).toMatchObject({ release: one, state: 'up' });
  });
});

test('the deploy of a release that is not, killed while undoing: the old one is proved', async () => {
  const bad = await machine.release({ config: { OFFSET: '1' } });
  await killedAfter('undoing', bad);
  expect(outcomeOf(await machine.deploy(one))).toEqual(['unchanged', one]);
  expect(await told()).toEqual([
    [one, 'live'],
    [bad, 'interrupted'],
    [one, 'unchanged'],
  ]);
  expect(await processesOf(machine.state)).toHaveLength(2);
});

describe('the way back, where a killed deploy of an older version left no Deployment', () => {
  const [first, second, third] = ['one', 'two', 'three'].map((name) => digestOf(Buffer.from(name)));
  const event = (release: Digest | undefined, outcome: Outcome, before: Digest | null = null): Event => ({
    ...HERE,
    digest: digestOf(Buffer.from(`${release} ${outcome}`)),
    endpoint: '',
    checks: [],
    reason: null,
    startedAt: '',
    endedAt: '',
    release: release ?? digestOf(Buffer.of()),
    outcome,
    before,
  });

  test.each<[string, Event[]]>([
    ['the same release again', [event(first, 'live'), event(second, 'unchanged', second)]],
    ['another release, refused', [event(first, 'live'), event(third, 'refused', second)]],
  ])('is known after %s', (_, history) => {
    expect(findPrevious(history)).toBe(first);
  });

  test('leads back to it from a release that came after it', () => {
    expect(findPrevious([event(first, 'live'), event(third, 'live', second)])).toBe(second);
  });
});
