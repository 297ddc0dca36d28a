/** Who waits for whom: jobs of one training, on one machine, on several that share a disk, and on a registry. */
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../../src/lib/digest.ts';
import { holderOf } from '../../../src/lib/holder.ts';
import { machineName, type SharedLock, takeSharedLock } from '../../../src/lib/shared-lock.ts';
import { LayoutStore } from '../../../src/store/layout.ts';
import { takeTagLock } from '../../../src/train/checkpoints/tag-lock.ts';

const BEATS = { everyMs: 50, patienceMs: 1500 };
const signal = new AbortController().signal;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-lock-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Each kind of lock by its own name, taken with short times. */
const kinds: [
  string,
  (name: string, onWait?: (holder: string) => void, by?: AbortSignal) => Promise<SharedLock>,
][] = [
  [
    'a folder',
    (name, onWait = () => {}, by = signal) =>
      takeSharedLock(join(folder, name), { signal: by, onWait, beats: BEATS }),
  ],
  [
    'a tag',
    (name, onWait = () => {}, by = signal) =>
      takeTagLock(
        new LayoutStore(join(folder, 'registry')),
        digestOf(Buffer.from(name)),
        { signal: by, onWait, beats: BEATS },
        20,
      ),
  ],
];

describe.each(kinds)('%s', (_, take) => {
  test('is held by one, and the next has it when that one lets go', async () => {
    const first = await take('one');
    const waited: string[] = [];
    let isHeld = true;
    const second = take('one', (holder) => waited.push(holder)).then((lock) => {
      expect(isHeld).toBe(false);
      return lock;
    });
    while (waited.length === 0) await sleep(20);
    expect(waited[0]).toContain(`${await machineName()}.${process.pid}-`);
    isHeld = false;
    await first.release();
    await (await second).release();
  });

  test('gives up waiting when the job is cancelled, and the holder keeps it', async () => {
    const first = await take('two');
    const cancel = new AbortController();
    const waiting = take('two', () => cancel.abort(new Error('cancelled')), cancel.signal);
    await expect(waiting).rejects.toThrow('cancelled');
    await first.release();
    await (await take('two')).release();
  });
});

describe('a holder that is gone', () => {
  const place = (name: string, holder: string) => async () => {
    await mkdir(join(folder, name));
    await writeFile(join(folder, name, holder), '7');
  };
  const take = (name: string) =>
    takeSharedLock(join(folder, name), { signal, onWait: () => {}, beats: BEATS });

  test('on this machine is known at once, whatever number its process had', async () => {
    const holder = (await holderOf(process.pid)).replace(/-.*/, '-1');
    await place('dead', `${await machineName()}.${holder}.abc`)();
    await (await take('dead')).release();
    expect(await readdir(folder)).not.toContain('dead');
  });

  test('on another machine is known by its silence', async () => {
    await place('silent', 'othermachine.1-1.abc')();
    await (await take('silent')).release();
  });

  test('on another machine is waited for while it counts, whatever its clock says', async () => {
    await place('counting', 'othermachine.1-1.abc')();
    const file = join(folder, 'counting', 'othermachine.1-1.abc');
    let count = 0;
    const beat = setInterval(
      () => void writeFile(file, String(++count), { flag: 'r+' }).catch(() => {}),
      100,
    );
    let isTaken = false;
    const taking = take('counting').then((lock) => {
      isTaken = true;
      return lock;
    });
    await sleep(2 * BEATS.patienceMs);
    expect(isTaken).toBe(false);
    clearInterval(beat);
    await (await taking).release();
  });

  test('and wakes up is told that it lost the lock', async () => {
    const lock = await take('woken');
    await rm(join(folder, 'woken'), { recursive: true });
    await expect(lock.lost).rejects.toThrow('showed no sign of life');
    await lock.release();
  });
});
