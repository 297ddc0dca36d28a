/** Fault 40: a deploy that was suspended past its lease, while another one took over. When it wakes it can change nothing. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Step } from '../../src/deploy/ledger.ts';
import { FrontClient } from '../../src/deploy/process/front-client.ts';
import { FolderLedger } from '../../src/deploy/process/ledger.ts';
import type { Digest } from '../../src/lib/digest.ts';
import {
  deployImpatiently,
  memoryOf,
  startDeploy,
  takenFromAfar,
  toldBy,
  whenStopped,
} from '../support/deploys.ts';
import { type Machine, servingOne } from '../support/machines.ts';
import { processesOf } from '../support/processes.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(180_000);

let machine: Machine;
let one: Digest;
let two: Digest;
let three: Digest;
beforeEach(async () => {
  ({ machine, one } = await servingOne());
  two = await machine.release({ model: 'two' });
  three = await machine.release({ model: 'three' });
});
afterEach(() => machine.remove());

const told = async () => (await toldBy(machine)).map(({ release, outcome }) => [release, outcome]);

describe('a deploy that is suspended', () => {
  test.each<[Step, 'interrupted' | 'live']>([
    ['starting', 'interrupted'],
    ['probing', 'interrupted'],
    ['switching', 'interrupted'],
    ['watching', 'interrupted'],
    ['committing', 'live'],
    ['recording', 'live'],
  ])('while %s changes nothing when it wakes, says so, and fails', async (step, outcome) => {
    const { child, ended } = startDeploy(machine, two, { step, signal: 'SIGSTOP' });
    await whenStopped(child);
    await takenFromAfar(machine);
    expect((await deployImpatiently(machine, three)).rollout.outcome).toBe('live');
    const after = [await told(), await memoryOf(machine)];
    expect(after).toEqual([
      [
        [one, 'live'],
        [two, outcome],
        [three, 'live'],
      ],
      { live: { release: three, token: 3 } },
    ]);

    child.kill('SIGCONT');
    const { status, stderr } = await ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /TakenOver: another deploy has taken .*test over, .*\(token 3, ours is 2\); this one stops/,
    );
    expect([await told(), await memoryOf(machine)]).toEqual(after);
    expect((await machine.served()).release).toBe(three);
    expect(await processesOf(machine.state)).toHaveLength(2);
  });

  test('is refused by the front as soon as another holds the lock, before that one says anything else', async () => {
    const first = await new FolderLedger(machine.state).lock(new AbortController().signal);
    await takenFromAfar(machine);
    const beats = { everyMs: 100, patienceMs: 1000 };
    const next = await new FolderLedger(machine.state, beats).lock(new AbortController().signal);
    expect(next.token).toBe(first.token + 1);
    const late = new FrontClient(machine.state, first.token);
    for (const verb of ['switch', 'commit', 'revert', 'abandon'] as const)
      await expect(late.tell(verb)).rejects.toThrow('a later deploy has taken over');
    await expect(late.status()).rejects.toThrow('a later deploy has taken over');
    await expect(first.write({})).rejects.toThrow('another deploy has taken');
    await expect(first.check()).rejects.toThrow('another deploy has taken');
    await next.check();
    await next.release();
    expect((await machine.front.status()).live?.release).toBe(one);
  });
});
