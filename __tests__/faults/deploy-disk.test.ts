/** Fault 37 in a deploy: the disk of the target gets full at any of its writes, or that of the store. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { deploy } from '../../src/deploy/deploy.ts';
import type { Ledger, Memory, Step } from '../../src/deploy/ledger.ts';
import { locate } from '../../src/deploy/locate.ts';
import type { Deployed } from '../../src/deploy/request.ts';
import type { Digest } from '../../src/lib/digest.ts';
import { codeOf } from '../../src/lib/errors.ts';
import type { Outcome } from '../../src/records/deployment.ts';
import { memoryOf, toldBy } from '../support/deploys.ts';
import { until } from '../support/fronts.ts';
import { machineDeps } from '../support/machine-deps.ts';
import { type Machine, outcomeOf, servingMachine } from '../support/machines.ts';
import { processesOf } from '../support/processes.ts';
import { canMount, smallDisk } from '../support/small-disk.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
let unmount: () => void = () => {};
let one: Digest;
let two: Digest;
beforeEach(async () => {
  machine = await servingMachine();
});
afterEach(async () => {
  await machine.remove().catch(() => {});
  unmount();
  unmount = () => {};
  await machine.remove();
});

/** A small disk at a folder of the machine, on which one release serves. */
async function onDisk(folder: 'state' | 'yard'): Promise<void> {
  unmount = smallDisk(join(machine.root, folder), 32);
  one = await machine.release({ model: 'one' });
  two = await machine.release({ model: 'two' });
  await machine.deploy(one);
}

const filler = (folder: string) => join(machine.root, folder, 'filler');

/** Writes until there is no room for another page. */
function fill(folder: string): void {
  const file = openSync(filler(folder), 'a');
  for (const size of [2 ** 20, 2 ** 12]) {
    try {
      for (;;) writeSync(file, Buffer.alloc(size));
    } catch (error) {
      if (codeOf(error) !== 'ENOSPC') throw error;
    }
  }
  closeSync(file);
}

/** Deploys the second release; a disk gets full once, or just before, its memory is written so. */
async function deployUntil(
  folder: string,
  isTime: (next: Memory, isWritten: boolean) => boolean,
): Promise<Deployed> {
  const deps = machineDeps(machine.root);
  const request = { release: two, name: undefined, environment: undefined, byHand: true, lift: false };
  const site = await locate(request, deps);
  const filling = (ledger: Ledger): Ledger => ({
    lock: async (signal) => {
      const hold = await ledger.lock(signal);
      return {
        ...hold,
        write: async (next) => {
          if (isTime(next, false)) fill(folder);
          await hold.write(next);
          if (isTime(next, true)) fill(folder);
        },
      };
    },
  });
  return deploy(Object.assign(site, { ledger: filling(site.ledger) }), request, deps);
}

/** Where nothing can be mounted there is no disk that a test may fill. */
const onSmallDisk = canMount() ? test : test.skip;
const NAMED = 'a disk is full \\(the disk at \\S+/state, [\\d.]+ k?B of 33.6 MB free\\): ';

describe('the disk of the target is full', () => {
  onSmallDisk('before the deploy begins: nothing has changed', async () => {
    await onDisk('state');
    fill('state');
    await expect(machine.deploy(two)).rejects.toThrow(new RegExp(`^${NAMED}.*ENOSPC`));
    expect((await machine.served()).release).toBe(one);
    await rm(filler('state'));
    expect(outcomeOf(await machine.deploy(two))).toEqual(['live', one]);
  });

  onSmallDisk.each<[Step, Outcome]>([
    ['starting', 'refused'],
    ['probing', 'refused'],
    ['switching', 'rolled-back'],
    ['watching', 'rolled-back'],
  ])(
    'while %s: it is undone, and the next deploy records that and goes all the way',
    async (step, outcome) => {
      await onDisk('state');
      const deploying = deployUntil('state', (next, isWritten) => isWritten && next.journal?.step === step);
      await expect(deploying).rejects.toThrow(
        new RegExp(
          `^${NAMED}release ${two.slice(7, 19)} is ${outcome}, but no record of that could be written`,
        ),
      );
      expect(await machine.served()).toMatchObject({ release: one, state: 'up' });
      await until(async () => (await processesOf(machine.state)).length === 2);
      expect(await machine.front.status()).not.toHaveProperty('previous');
      await rm(filler('state'));
      expect(outcomeOf(await machine.deploy(two))).toEqual(['live', one]);
      expect((await toldBy(machine)).map((event) => [event.release, event.outcome])).toEqual([
        [one, 'live'],
        [two, 'interrupted'],
        [two, 'live'],
      ]);
      expect(await memoryOf(machine)).toEqual({ live: { release: two, token: 3 } });
    },
  );

  const last: readonly [string, (next: Memory, isWritten: boolean) => boolean][] = [
    ['committing', (next, isWritten) => isWritten && next.journal?.step === 'committing'],
    ['recording', (next, isWritten) => isWritten && next.journal?.step === 'recording'],
    ['forgetting the journal', (next) => next.journal === undefined],
  ];
  onSmallDisk.each(last)(
    'while %s: the new one serves, and the next deploy records it',
    async (_, isTime) => {
      await onDisk('state');
      await expect(deployUntil('state', isTime)).rejects.toThrow(new RegExp(`^${NAMED}`));
      expect(await machine.served()).toMatchObject({ release: two, state: 'up' });
      await rm(filler('state'));
      expect(outcomeOf(await machine.deploy(two))).toEqual(['unchanged', two]);
      expect((await toldBy(machine)).map((event) => [event.release, event.outcome])).toEqual([
        [one, 'live'],
        [two, 'live'],
        [two, 'unchanged'],
      ]);
      expect(await processesOf(machine.state)).toHaveLength(2);
    },
  );
});

onSmallDisk(
  'the disk of the store is full: the release serves, and why the store does not know is told',
  async () => {
    await onDisk('yard');
    const { rollout, unrecorded } = await deployUntil(
      'yard',
      (next, isWritten) => isWritten && next.journal?.step === 'recording',
    );
    expect(rollout.outcome).toBe('live');
    expect(unrecorded).toContain('ENOSPC');
    expect((await machine.served()).release).toBe(two);
    await rm(filler('yard'));
    const again = await machine.deploy(two);
    expect([again.rollout.outcome, again.unrecorded]).toEqual(['unchanged', undefined]);
    expect((await toldBy(machine)).map(({ outcome }) => outcome)).toEqual(['live', 'live', 'unchanged']);
  },
);
