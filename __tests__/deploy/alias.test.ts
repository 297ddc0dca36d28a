import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { whatServes } from '../../src/store/live.ts';
import { traceRecords } from '../../src/trace/lineage.ts';
import { type Machine, outcomeOf, servingMachine } from '../support/machines.ts';
import { sumOf } from '../support/releases.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

const ALIAS = 'live-toy-test';
let machine: Machine;
let first: Digest;
let second: Digest;

beforeEach(async () => {
  machine = await servingMachine();
  first = await machine.release({ model: 'first' });
  second = await machine.release({ model: 'second' });
  await machine.deploy(first);
});
afterEach(() => machine.remove());

test('what serves has a name in the store, which a deploy moves and a failed one does not; what served keeps its own', async () => {
  expect(await machine.store.resolve(ALIAS)).toBe(first);
  await machine.deploy(second);
  expect(await machine.store.resolve(ALIAS)).toBe(second);
  const wrong = await machine.release({ model: 'third', golden: [sumOf([1, 2], 4)] });
  expect(outcomeOf(await machine.deploy(wrong))).toEqual(['refused', second]);
  expect(await machine.store.resolve(ALIAS)).toBe(second);

  const names = await machine.store.names('');
  const { nodes } = await traceRecords(machine.store, [first]);
  const live = nodes.filter(({ kind }) => kind === 'deployment' || kind === 'release');
  expect(live.map(({ kind }) => kind).sort()).toEqual(['deployment', 'release']);
  for (const { digest } of live) expect([...names.values()]).toContain(digest);
});

test('the name is no proof: moved by hand to another release, it changes nothing of what deploy, rollback and trace do', async () => {
  await machine.deploy(second);
  const other = await machine.release({ model: 'other' });
  const bytes = await machine.store.get(other);
  await machine.store.put(bytes ?? Buffer.alloc(0), [ALIAS]);

  expect((await whatServes(machine.store)).map(({ release }) => release)).toEqual([second]);
  const { nodes } = await traceRecords(machine.store, [other]);
  expect(nodes.filter(({ kind }) => kind === 'deployment')).toEqual([]);
  expect(outcomeOf(await machine.deploy(second))).toEqual(['unchanged', second]);
  expect(await machine.store.resolve(ALIAS)).toBe(second);
  await machine.store.put(bytes ?? Buffer.alloc(0), [ALIAS]);
  const back = await machine.deploy('previous', { name: 'toy', environment: 'test' });
  expect([outcomeOf(back), (await machine.served()).release]).toEqual([['live', second], first]);
});
