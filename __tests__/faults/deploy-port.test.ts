/** A release with another port that fails: what served goes on where it was, and is proved there. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { freePort } from '../../src/deploy/process/ports.ts';
import type { Digest } from '../../src/lib/digest.ts';
import { startDeploy, toldBy } from '../support/deploys.ts';
import { type Machine, outcomeOf, servingOne } from '../support/machines.ts';
import type { ReleaseChoices } from '../support/releases.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
let one: Digest;
let pid: number;
let port: number;
beforeEach(async () => {
  ({ machine, one } = await servingOne());
  pid = await serverPid();
  port = await freePort();
});
afterEach(() => machine.remove());

/** Where what served before serves. */
const endpoint = (): string => `http://127.0.0.1:${machine.port}`;

const serverPid = async (): Promise<number> => JSON.parse((await machine.get('/')).body).pid;

/** The same server as ever serves, and was proved. */
async function expectUntouched(): Promise<void> {
  expect(await machine.served()).toMatchObject({ release: one, state: 'up' });
  expect(await serverPid()).toBe(pid);
  await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed');
  expect(outcomeOf(await machine.deploy(one))).toEqual(['unchanged', one]);
}

const proved = [
  { name: 'release in public (the one before)', passed: true },
  { name: 'golden requests in public (the one before)', passed: true },
];
const watched = { rate: 10, errors: 0, windowSeconds: 0, watchSeconds: 30 };

test.each<[string, Partial<ReleaseChoices>]>([
  ['refused', { config: { OFFSET: '1' } }],
  ['rolled-back', { config: { MODE: 'crashes' }, probing: watched }],
])('%s', async (outcome, choices) => {
  const { rollout, deployment } = await machine.deploy(await machine.release({ ...choices, port }));
  expect([rollout.outcome, rollout.before]).toEqual([outcome, one]);
  expect(deployment.config.endpoint).toBe(endpoint());
  expect(rollout.checks.slice(-2)).toMatchObject(proved);
  await expectUntouched();
});

test('killed while it was watched, it is undone by the next deploy', async () => {
  const two = await machine.release({ model: 'two', port });
  expect(await startDeploy(machine, two, { step: 'watching' }).ended).toMatchObject({ signal: 'SIGKILL' });
  expect(outcomeOf(await machine.deploy(one))).toEqual(['unchanged', one]);
  const [, undone] = await toldBy(machine);
  expect(undone).toMatchObject({ release: two, outcome: 'interrupted', before: one, endpoint: endpoint() });
  expect(undone?.checks.slice(-2)).toMatchObject(proved);
  await expectUntouched();
});

test('a deploy that is not begun after it tells where that serves', async () => {
  await machine.deploy(await machine.release({ model: 'two' }));
  await machine.deploy(one);
  await machine.deploy(await machine.release({ config: { OFFSET: '1' }, port }));
  const { deployment } = await machine.deploy(await machine.release({ model: 'two' }));
  expect(deployment.config).toMatchObject({
    outcome: 'held',
    before: one,
    endpoint: endpoint(),
  });
});
