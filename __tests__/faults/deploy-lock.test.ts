/** Fault 40: locks that others left or hold, and two deploys at once. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { FolderLedger } from '../../src/deploy/process/ledger.ts';
import type { Digest } from '../../src/lib/digest.ts';
import { machineName } from '../../src/lib/shared-lock.ts';
import { memoryOf, startDeploy, toldBy, whenStopped } from '../support/deploys.ts';
import { until } from '../support/fronts.ts';
import { type Machine, outcomeOf, servingOne } from '../support/machines.ts';
import { processesOf } from '../support/processes.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(240_000);

let machine: Machine;
let one: Digest;
let two: Digest;
beforeEach(async () => {
  ({ machine, one } = await servingOne());
  two = await machine.release({ model: 'two' });
});
afterEach(() => machine.remove());

/** Leaves a lock, as a holder of that name would. */
async function leaveLock(holder: string): Promise<string> {
  await mkdir(join(machine.state, 'lock'));
  const file = join(machine.state, 'lock', holder);
  await writeFile(file, '7');
  return file;
}

describe('a lock', () => {
  test('of a holder that died is taken at once', async () => {
    await leaveLock(`${await machineName()}.999999-12345.dead`);
    const begin = performance.now();
    expect(outcomeOf(await machine.deploy(two))).toEqual(['live', one]);
    expect(performance.now() - begin).toBeLessThan(30_000);
  });

  test('whose number another process was given since is taken, too', async () => {
    await leaveLock(`${await machineName()}.${process.pid}-1.dead`);
    expect(outcomeOf(await machine.deploy(two))).toEqual(['live', one]);
  });

  test('of another machine that is silent is taken after a minute', async () => {
    await leaveLock('ffffffffffff.4711-1.gone');
    const begin = performance.now();
    expect(outcomeOf(await machine.deploy(two))).toEqual(['live', one]);
    expect(performance.now() - begin).toBeGreaterThan(60_000);
  });

  test('of another machine that lives is left to it, and the holder is named', async () => {
    const file = await leaveLock('ffffffffffff.4711-1.alive');
    let count = 7;
    const beating = setInterval(() => void writeFile(file, String(++count)), 100);
    const ledger = new FolderLedger(machine.state, { everyMs: 100, patienceMs: 1000 });
    await expect(ledger.lock(new AbortController().signal)).rejects.toThrow(
      `a deploy to ${machine.state} is being done already, by process 4711 of another machine; wait for its end, or end it`,
    );
    clearInterval(beating);
  });

  test('of a holder on this machine that is suspended is left to it: it would go on', async () => {
    const { child, ended } = startDeploy(machine, two, { step: 'probing', signal: 'SIGSTOP' });
    await whenStopped(child);
    await expect(machine.deploy(one)).rejects.toThrow(`is being done already, by process ${child.pid}; `);
    child.kill('SIGCONT');
    expect(await ended).toMatchObject({ status: 0, stdout: 'live' });
    expect((await machine.served()).release).toBe(two);
  });
});

describe('two deploys at once, from two processes', () => {
  test('one wins, the other is told who; one release serves, and the histories agree', async () => {
    for (let round = 1; round <= 3; round++) {
      const wanted = [
        await machine.release({ model: `${round} a` }),
        await machine.release({ model: `${round} b` }),
      ] as const;
      const before = (await toldBy(machine)).length;
      const racing = wanted.map((release) => startDeploy(machine, release));
      const results = await Promise.all(racing.map(({ ended }) => ended));
      const winners = results.filter(({ status }) => status === 0);
      expect(winners.length).toBeGreaterThanOrEqual(1);
      for (const [index, { status, stderr }] of results.entries())
        if (status !== 0)
          expect(stderr).toContain(`is being done already, by process ${racing[1 - index]?.child.pid}; `);
      const told = await toldBy(machine);
      expect(told).toHaveLength(before + winners.length);
      // Each found serving what the one before it had brought.
      for (const [index, { before: found }] of told.entries())
        expect(found).toBe(told[index - 1]?.release ?? null);
      const last = told.at(-1);
      expect((await machine.served()).release).toBe(last?.release);
      expect(await memoryOf(machine)).toEqual({ live: { release: last?.release, token: last?.token } });
      await until(async () => (await processesOf(machine.state)).length === 2);
    }
  });

  test('of which one was killed just before: the other finishes or undoes that first', async () => {
    const [a, b] = [await machine.release({ model: 'a' }), await machine.release({ model: 'b' })];
    await startDeploy(machine, two, { step: 'committing' }).ended;
    const results = await Promise.all([a, b].map((release) => startDeploy(machine, release).ended));
    expect(results.map(({ status }) => status)).toContain(0);
    const told = await toldBy(machine);
    expect(told.slice(0, 2).map(({ release, outcome }) => [release, outcome])).toEqual([
      [one, 'live'],
      [two, 'live'],
    ]);
    expect((await machine.served()).release).toBe(told.at(-1)?.release);
  });
});
