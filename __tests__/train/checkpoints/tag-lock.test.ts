/** A lock in a registry is lost to another holder only, and not to an answer that is missing, late or of before. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Digest, digestOf } from '../../../src/lib/digest.ts';
import type { SharedLock } from '../../../src/lib/shared-lock.ts';
import { LayoutStore } from '../../../src/store/layout.ts';
import { takeTagLock } from '../../../src/train/checkpoints/tag-lock.ts';

const BEATS = { everyMs: 30, patienceMs: 2000 };
const TRAINING = digestOf(Buffer.from('training'));
const TAG = `lock-${TRAINING.slice(7, 23)}`;

/** A store whose answers about tags can be made to differ from what it holds. */
class Registry extends LayoutStore {
  isDown: boolean = false;
  losesAnswers: boolean = false;
  stale: { readonly digest: Digest | undefined } | undefined;
  beats: Digest[] = [];

  override async put(manifest: Uint8Array, names: readonly string[]): Promise<Digest> {
    if (this.isDown) throw new Error('the registry is down');
    const digest = await super.put(manifest, names);
    this.beats.push(digest);
    if (this.losesAnswers) throw new Error('the answer is lost');
    return digest;
  }

  override async resolve(name: string): Promise<Digest | undefined> {
    return this.stale === undefined ? super.resolve(name) : this.stale.digest;
  }
}

let folder: string;
let registry: Registry;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-tag-lock-'));
  registry = new Registry(join(folder, 'registry'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function take(store = registry): Promise<SharedLock> {
  const { signal } = new AbortController();
  return takeTagLock(store, TRAINING, { signal, onWait: () => {}, beats: BEATS }, 20);
}

/** Whether a lock is still held after some beats more. */
async function isHeld(lock: SharedLock): Promise<boolean> {
  const { length } = registry.beats;
  let isLost = false;
  lock.lost.catch(() => {
    isLost = true;
  });
  while (!isLost && registry.beats.length < length + 3) await sleep(10);
  return !isLost;
}

describe('a lock in a registry is kept', () => {
  test('where nothing may be read for a while, as ghcr.io says to a token that has ended', async () => {
    const lock = await take();
    registry.stale = { digest: undefined };
    expect(await isHeld(lock)).toBe(true);
    await lock.release();
    registry.stale = undefined;
    await (await take()).release();
  });

  test('where the tag was cleaned up', async () => {
    const lock = await take();
    await registry.remove(new Set([...(await registry.names(TAG)).values()]), Date.now() + 7 * 86_400_000);
    expect(await isHeld(lock)).toBe(true);
    await lock.release();
  });

  test('where the answer to a beat is lost, and is let go whole', async () => {
    const lock = await take();
    registry.losesAnswers = true;
    expect(await isHeld(lock)).toBe(true);
    registry.losesAnswers = false;
    await lock.release();
    await (await take(new Registry(registry.location))).release();
  });

  test('where a beat of before is answered, be its manifest there or not', async () => {
    const lock = await take();
    const [old = TRAINING] = registry.beats;
    registry.stale = { digest: old };
    expect(await isHeld(lock)).toBe(true);
    registry.stale = { digest: TRAINING };
    expect(await isHeld(lock)).toBe(true);
    registry.stale = undefined;
    await lock.release();
  });
});

test('a lock in a registry that another one took is lost, and not released for that one', async () => {
  const lock = await take();
  const other = new LayoutStore(registry.location);
  const bytes = await registry.get(registry.beats[0] ?? TRAINING);
  const theirs = Buffer.from(String(Buffer.from(bytes ?? '')).replace(/"io.trainyard.lock.holder":"/, '$&0'));
  // Nobody takes the lock of one that writes.
  registry.isDown = true;
  await sleep(5 * BEATS.everyMs);
  await other.put(theirs, [TAG]);
  await expect(lock.lost).rejects.toThrow('another machine took the lock');
  await lock.release();
  expect(await other.resolve(TAG)).toBe(digestOf(theirs));
});
