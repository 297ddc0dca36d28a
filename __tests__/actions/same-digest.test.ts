import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { copyRecord } from '../../src/store/copy.ts';
import { digestIn, openWorkshop, type Workshop } from '../support/workshop.ts';

const before = { umask: process.umask(), TZ: process.env.TZ };
let here: Workshop;
let there: Workshop | undefined;
beforeEach(async () => {
  here = await openWorkshop();
});
afterEach(async () => {
  jest.useRealTimers();
  process.umask(before.umask);
  if (before.TZ === undefined) delete process.env.TZ;
  else process.env.TZ = before.TZ;
  await here.remove();
  await there?.remove();
});

/** Another machine, on another day; only the clock is not the real one. */
async function elsewhere(): Promise<Workshop> {
  process.umask(0o077);
  process.env.TZ = 'Pacific/Auckland';
  const real = [
    'hrtime',
    'nextTick',
    'performance',
    'queueMicrotask',
    'setImmediate',
    'clearImmediate',
  ] as const;
  const timers = ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] as const;
  jest.useFakeTimers({ now: new Date('2001-02-03T04:05:06Z'), doNotFake: [...real, ...timers] });
  there = await openWorkshop({ project: 'models/toy' });
  return there;
}

describe('in another folder, under another umask, in another time zone, on another day', () => {
  test('programs, package and release have the same digests', async () => {
    const built = await here.build();
    const run = await here.train(built);
    const packaged = await here.package(built, run.digest);
    const released = await here.release(digestIn(packaged.outputs, 'package'));
    const other = await elsewhere();
    expect(new Date().getFullYear()).toBe(2001);
    expect(await other.build()).toEqual(built);
    await copyRecord(here.handoff, other.handoff, run.digest);
    const packagedThere = await other.package(built, run.digest);
    expect(packagedThere.outputs).toEqual(packaged.outputs);
    const releasedThere = await other.release(digestIn(packagedThere.outputs, 'package'));
    expect(releasedThere.outputs).toEqual(released.outputs);
    expect([...(await other.store.names('release-')).keys()]).toEqual([
      ...(await here.store.names('release-')).keys(),
    ]);
  });
});
