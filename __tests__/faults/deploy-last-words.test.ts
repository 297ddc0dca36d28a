/** What a deploy still has to do once it has ended as it has: whatever fails of that is told, and changes nothing of how it ended. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { deploy } from '../../src/deploy/deploy.ts';
import { locate } from '../../src/deploy/locate.ts';
import type { Deployed } from '../../src/deploy/request.ts';
import type { Site } from '../../src/deploy/site.ts';
import type { Digest } from '../../src/lib/digest.ts';
import { MachineError } from '../../src/lib/errors.ts';
import { toldBy } from '../support/deploys.ts';
import { machineDeps } from '../support/machine-deps.ts';
import { type Machine, outcomeOf, servingOne } from '../support/machines.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
let one: Digest;
let two: Digest;
beforeEach(async () => {
  ({ machine, one } = await servingOne());
  two = await machine.release({ model: 'two' });
});
afterEach(() => machine.remove());

const gone = async (): Promise<never> => {
  throw new MachineError('the API server is gone');
};

/** Deploys the second release to a site that fails where it is told to. */
async function deployTo(failing: (site: Site) => Partial<Site>): Promise<Deployed> {
  const deps = { ...machineDeps(machine.root), log: machine.log };
  const request = { release: two, name: undefined, environment: undefined, byHand: true, lift: false };
  const site = await locate(request, deps);
  return deploy(Object.assign(site, failing(site)), request, deps);
}

/** The lock is given back, and whoever gave it does not learn of that. */
const lockOf = ({ ledger }: Site): Partial<Site> => ({
  ledger: {
    lock: async (signal) => {
      const hold = await ledger.lock(signal);
      return { ...hold, release: () => hold.release().then(gone) };
    },
  },
});

test.each<[string, (site: Site) => Partial<Site>, RegExp]>([
  ['the front does not take the name of the Deployment', () => ({ note: gone }), /does not name Deployment/],
  ['the lock cannot be given back', lockOf, /the lock of .* was not given back, and ends by itself: /],
  ['what it held open cannot be closed', () => ({ close: gone }), /was not left in order: /],
])('%s: the release is live, recorded, and a warning', async (_, failing, warning) => {
  expect(outcomeOf(await deployTo(failing))).toEqual(['live', one]);
  expect((await toldBy(machine)).map(({ outcome }) => outcome)).toEqual(['live', 'live']);
  expect(machine.log.warnings).toEqual([expect.stringMatching(warning)]);
  expect(machine.log.warnings[0]).toContain('the API server is gone');
  expect((await machine.served()).release).toBe(two);
});

test('what fails at the end does not hide what failed first', async () => {
  const bring = async (): Promise<never> => {
    throw new MachineError('the registry does not answer');
  };
  const failing = (site: Site) => ({ ...lockOf(site), bring, close: gone });
  await expect(deployTo(failing)).rejects.toThrow('the registry does not answer');
  expect(machine.log.warnings).toHaveLength(2);
  expect((await machine.served()).release).toBe(one);
});
