/** Fault 40: a machine whose clock jumps. What serves, `previous` and holds follow from the order of what happened, not from the clock. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { startDeploy, toldBy } from '../support/deploys.ts';
import { HERE, type Machine, outcomeOf, servingMachine } from '../support/machines.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
let releases: Digest[];
beforeEach(async () => {
  machine = await servingMachine();
  releases = [];
  for (const model of ['one', 'two', 'three']) releases.push(await machine.release({ model }));
});
afterEach(() => machine.remove());

test.each([24, -24])('one deploy with a clock that is %s hours off: the order stays', async (hours) => {
  const [one, two, three] = releases;
  if (one === undefined || two === undefined || three === undefined) throw new Error('three were made');
  await machine.deploy(one);
  const { stdout, status } = await startDeploy(machine, two, { hours }).ended;
  expect([status, stdout]).toEqual([0, 'live']);
  await machine.deploy(three);
  const told = await toldBy(machine);
  expect(told.map(({ release, before }) => [release, before])).toEqual([
    [one, null],
    [two, one],
    [three, two],
  ]);
  for (const { startedAt, endedAt } of told)
    expect(Date.parse(endedAt)).toBeGreaterThanOrEqual(Date.parse(startedAt));

  // The way back, and what it holds away.
  expect(outcomeOf(await machine.deploy('previous', HERE))).toEqual(['live', three]);
  expect((await machine.served()).release).toBe(two);
  expect(outcomeOf(await machine.deploy(three))).toEqual(['held', two]);
  expect(outcomeOf(await machine.deploy(three, { lift: true }))).toEqual(['live', two]);
  expect(outcomeOf(await machine.deploy(three))).toEqual(['unchanged', three]);
});

test('a deploy that was killed under a clock that was ahead is undone, and the next one comes after it', async () => {
  const [one, two] = releases;
  if (one === undefined || two === undefined) throw new Error('three were made');
  await machine.deploy(one);
  await startDeploy(machine, two, { hours: 24, step: 'watching' }).ended;
  expect(outcomeOf(await machine.deploy(two))).toEqual(['live', one]);
  expect((await toldBy(machine)).map(({ outcome, release }) => [release, outcome])).toEqual([
    [one, 'live'],
    [two, 'interrupted'],
    [two, 'live'],
  ]);
});
