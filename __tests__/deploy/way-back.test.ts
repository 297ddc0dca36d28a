/** The way back where something is lacking: the store, the machine's memory, a person's word. */
import { rm } from 'node:fs/promises';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { MachineError } from '../../src/lib/errors.ts';
import type { Store } from '../../src/store/store.ts';
import { bareStore } from '../support/bare-store.ts';
import { HERE, type Machine, outcomeOf, servingOne } from '../support/machines.ts';
import { endProcessesOf } from '../support/processes.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

const OLD = 'a'.repeat(40);
const NEW = 'b'.repeat(40);

let machine: Machine;
let one: Digest;
beforeEach(async () => {
  ({ machine, one } = await servingOne());
});
afterEach(() => machine.remove());

/** A registry that does not answer. */
function goneStore(from: Machine['store']): Store {
  const fail = async (): Promise<never> => {
    throw new MachineError('the registry does not answer');
  };
  const reading = {
    has: fail,
    read: fail,
    peek: fail,
    get: fail,
    children: fail,
    names: fail,
    resolve: fail,
  };
  return { ...bareStore(from), ...reading, write: fail, put: fail, take: fail };
}

test('previous needs no store: one that does not answer is told, and learns of it later', async () => {
  const two = await machine.release({ model: 'two' });
  await machine.deploy(two);
  const back = await machine.deploy('previous', { ...HERE, store: goneStore(machine.store) });
  expect(outcomeOf(back)).toEqual(['live', two]);
  expect(back.unrecorded).toContain('the registry does not answer');
  const told = machine.log.warnings.filter((line) => line.includes('of this environment is not known'));
  expect(told).toHaveLength(1);
  expect(await machine.served()).toMatchObject({ release: one, state: 'up' });
});

test('a digest that the machine has whole needs no store either, where the names say which machine', async () => {
  await machine.deploy(await machine.release({ model: 'two' }));
  const back = await machine.deploy(one, { ...HERE, store: goneStore(machine.store) });
  expect([back.rollout.outcome, back.unrecorded]).toEqual([
    'live',
    expect.stringContaining('the registry does not answer'),
  ]);
  expect(await machine.served()).toMatchObject({ release: one, state: 'up' });
});

test('previous is a roll-back, whoever asks for it: its commit is older by nature', async () => {
  const isAncestor = async (older: { commit: string }, newer: { commit: string }): Promise<boolean> =>
    older.commit === OLD && newer.commit === NEW;
  const old = await machine.release({ model: 'old', explainedBy: OLD });
  const newer = await machine.release({ model: 'new', explainedBy: NEW });
  for (const release of [old, newer]) await machine.deploy(release, { isAncestor });
  const back = await machine.deploy('previous', { ...HERE, byHand: false, isAncestor });
  expect(back.deployment.config).toMatchObject({ outcome: 'live', before: newer, holds: newer });
});

test('a machine that is new goes back by what the store tells, and holds what it leaves', async () => {
  const two = await machine.release({ model: 'two' });
  await machine.deploy(two);
  for (const wanted of ['previous', one] as const) {
    await endProcessesOf(machine.state);
    await rm(machine.state, { recursive: true });
    const back = await machine.deploy(wanted, HERE);
    expect(back.deployment.config).toMatchObject({ outcome: 'live', holds: two });
    expect(back.parts.release.digest).toBe(one);
    await machine.deploy(two, { lift: true });
  }
});
