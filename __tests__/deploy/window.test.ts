/** A window in which a server is asked at a set rate: alone before the switch, in public after it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import type { Ask } from '../../src/deploy/target.ts';
import { askForAWhile } from '../../src/deploy/window.ts';
import { MachineError } from '../../src/lib/errors.ts';
import type { Probing } from '../../src/records/release.ts';
import { recordingLog } from '../support/log.ts';
import { type Machine, servingMachine } from '../support/machines.ts';
import { sumOf } from '../support/releases.ts';

jest.setTimeout(120_000);

const probing = (limits: Partial<Probing> = {}): Probing => ({
  windowSeconds: 0,
  watchSeconds: 0,
  rate: 50,
  errors: 0,
  ...limits,
});

/** Asks a server that answers as told, and counts. */
function asked(answer: (index: number) => { status: number; ms?: number }): { ask: Ask; count(): number } {
  let index = 0;
  return {
    count: () => index,
    ask: async () => {
      const { status, ms = 0 } = answer(index++);
      await sleep(ms);
      if (status === 0) throw new MachineError('the connection was closed');
      return { status, headers: {}, body: '{}' };
    },
  };
}

const probes = { golden: [], tolerance: 0, ready: '/ready' };
const during = (
  ask: Ask,
  seconds: number,
  limits: Partial<Probing> = {},
  signal = new AbortController().signal,
  stillTrue = async (): Promise<void> => {},
): ReturnType<typeof askForAWhile> =>
  askForAWhile(
    ask,
    probes,
    { name: 'window', seconds, limits: probing(limits), stillTrue },
    { log: recordingLog(), signal },
  );

describe('a window', () => {
  test('asks at its rate, though answers take long', async () => {
    const { ask, count } = asked(() => ({ status: 200, ms: 300 }));
    const begin = performance.now();
    const { passed, detail } = await during(ask, 1);
    expect(performance.now() - begin).toBeGreaterThan(1000);
    expect(count()).toBe(50);
    expect([passed, detail]).toEqual([
      true,
      expect.stringMatching(/^50 of 50 requests in 1 s, p50 3\d\d ms, p95/),
    ]);
  });

  test('ends at the first failure where none may be', async () => {
    const { ask, count } = asked((index) => ({ status: index === 3 ? 500 : 200 }));
    await expect(during(ask, 60)).rejects.toThrow(
      /^window: 1 of \d+ requests failed, and 0 % may; the first: GET \/ready answered 500$/,
    );
    expect(count()).toBeLessThan(10);
  });

  test('takes the share of failures that may be, connections that break included', async () => {
    const { ask } = asked((index) => ({ status: index % 25 === 0 ? 0 : 200 }));
    expect((await during(ask, 1, { errors: 0.04 })).detail).toMatch(/^48 of 50 requests/);
    await expect(
      during(asked((index) => ({ status: index % 20 === 0 ? 0 : 200 })).ask, 1, { errors: 0.04 }),
    ).rejects.toThrow('3 of');
  });

  test('refuses answers that take too long', async () => {
    const slow = asked((index) => ({ status: 200, ms: index % 10 === 0 ? 200 : 0 }));
    await expect(during(slow.ask, 1, { p95Milliseconds: 100 })).rejects.toThrow(
      /^window: 95 of 100 answers took up to 2\d\d ms, and 100 ms are allowed$/,
    );
    const rarely = asked((index) => ({ status: 200, ms: index === 7 ? 200 : 0 }));
    expect((await during(rarely.ask, 1, { p95Milliseconds: 100 })).passed).toBe(true);
  });

  test('ends when it is told to, and when what has to stay true does not', async () => {
    const control = new AbortController();
    setTimeout(() => control.abort(new Error('cancelled')), 100);
    const { ask, count } = asked(() => ({ status: 200 }));
    await expect(during(ask, 60, {}, control.signal)).rejects.toThrow('cancelled');
    const other = async (): Promise<void> => {
      throw new Error('another release answers');
    };
    await expect(during(ask, 60, {}, undefined, other)).rejects.toThrow('another release answers');
    expect(count()).toBeLessThan(100);
  });
});

describe('a release', () => {
  let machine: Machine;
  afterEach(() => machine.remove());

  test.each([
    ['alone', { windowSeconds: 1 }, 'refused', /^window: \d of \d+ requests failed/],
    ['in public', { watchSeconds: 2 }, 'rolled-back', /^watch: \d of \d+ requests failed/],
  ] as const)('that fails in its window %s does not stay', async (_, limits, outcome, reason) => {
    machine = await servingMachine();
    const golden = [sumOf([1], 1)];
    const first = await machine.release({ golden, probing: probing({ windowSeconds: 1, watchSeconds: 1 }) });
    expect((await machine.deploy(first)).rollout.checks.map(({ name }) => name)).toEqual([
      'ready',
      'golden requests',
      'window',
      'release in public',
      'golden requests in public',
      'watch',
    ]);
    // Its fourth request fails.
    const tiring = await machine.release({ golden, config: { MODE: 'tires' }, probing: probing(limits) });
    const { rollout } = await machine.deploy(tiring);
    expect(rollout).toMatchObject({ outcome, before: first, reason: expect.stringMatching(reason) });
    expect((await machine.served()).release).toBe(first);
  });
});
