/** A store that could not be written, and what it learns once it can. */
import { join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { MachineError } from '../../src/lib/errors.ts';
import { copyRecord } from '../../src/store/copy.ts';
import { historyOf } from '../../src/store/history.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { toldBy } from '../support/deploys.ts';
import { HERE, type Machine, servingMachine } from '../support/machines.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

/** A store that this job may read, and not write. */
class ReadOnly extends LayoutStore {
  override put = async (): Promise<Digest> => {
    throw new MachineError('DENIED');
  };
}

let machine: Machine;
let one: Digest;
let two: Digest;
let readOnly: { store: LayoutStore };
beforeEach(async () => {
  machine = await servingMachine();
  one = await machine.release({ model: 'one' });
  two = await machine.release({ model: 'two' });
  readOnly = { store: new ReadOnly(join(machine.root, 'yard')) };
});
afterEach(() => machine.remove());

test('It learns of the first deploy of an environment', async () => {
  expect((await machine.deploy(one, readOnly)).unrecorded).toBe('DENIED');
  expect((await machine.deploy(one)).unrecorded).toBeUndefined();
  expect((await toldBy(machine)).map(({ outcome }) => outcome)).toEqual(['live', 'unchanged']);
});

test('It learns of all that it missed, however much that is, holds included', async () => {
  await machine.deploy(one);
  await machine.deploy(two, readOnly);
  await machine.deploy('previous', { ...HERE, ...readOnly });
  for (let i = 0; i < 12; i++) await machine.deploy(one, readOnly);
  await machine.deploy(one);
  const told = await toldBy(machine);
  expect(told).toHaveLength(16);
  expect(told[2]).toMatchObject({ release: one, holds: two });
});

test('Another store learns only of the releases that it has', async () => {
  const store = new LayoutStore(join(machine.root, 'another'));
  await machine.deploy(one);
  await machine.deploy(two);
  await copyRecord(machine.store, store, two);
  await machine.deploy(two, { store });
  const told = await historyOf({ records: store, ...HERE });
  expect(told.map(({ release, outcome }) => [release, outcome])).toEqual([
    [two, 'live'],
    [two, 'unchanged'],
  ]);
  expect(await store.get(one)).toBeUndefined();
});
