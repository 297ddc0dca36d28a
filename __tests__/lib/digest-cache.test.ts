import { mkdir, mkdtemp, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { DigestCache } from '../../src/lib/digest-cache.ts';
import { isSettled } from '../../src/lib/file-state.ts';
import { hashFile } from '../../src/lib/hash-file.ts';
import { digestOfTree } from '../../src/lib/tree.ts';

let root: string;
let data: string;
let notes: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'cache-'));
  data = join(root, 'data');
  notes = join(root, 'cache', 'digests.txt');
  await mkdir(data);
  for (const name of ['a', 'b']) await writeFile(join(data, name), Buffer.alloc(5000, name));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** Waits until a change of these files would show. */
async function settle(): Promise<void> {
  while (!isSettled(await stat(join(data, 'b'), { bigint: true }), Date.now())) await sleep(50);
}

/** As another process would: what it knows is what was written down. */
const digest = () => digestOfTree(data, () => {}, new DigestCache(join(root, 'cache')));

/** How many files were read to know the digest of all, told by the notes that were made. */
async function filesRead(): Promise<number> {
  const lines = async () => (await readFile(notes, 'utf8').catch(() => '')).split('\n').length;
  const before = await lines();
  await digest();
  return (await lines()) - before;
}

describe('what was read is not read again', () => {
  test('until something changes, were it the time alone', async () => {
    await settle();
    const first = await digest();
    expect(await filesRead()).toBe(0);
    expect(await digest()).toEqual(first);
    await utimes(join(data, 'a'), 1e9, 1e9);
    await sleep(2100);
    expect(await filesRead()).toBe(1);
    expect(await digest()).toEqual(first);
    await rename(join(data, 'a'), join(data, 'c'));
    expect(await digest()).not.toEqual(first);
  }, 15_000);

  test('but a file that changed a moment ago is, for it may change again and keep its times', async () => {
    await digest();
    expect(await readFile(notes, 'utf8').catch(() => 'none')).toBe('none');
  });

  test('and tells as many bytes as if it were', async () => {
    await settle();
    for (let round = 0; round < 2; round++) {
      let told = 0;
      await digestOfTree(data, (count) => (told += count), new DigestCache(join(root, 'cache')));
      expect(told).toBe(10_000);
    }
  });
});

describe('a cache', () => {
  test('that is cut, mixed up or foreign makes nothing wrong', async () => {
    await settle();
    const right = await digest();
    const text = await readFile(notes, 'utf8');
    const [first = '', second = ''] = text.split('\n');
    for (const damaged of [
      text.slice(20),
      text.slice(0, 90),
      `${first.slice(0, 60)}${second}\n`,
      `${second.split(' ')[0]} ${first.split(' ')[1]} ${first.split(' ')[2]}\n`,
      '\n\n \0\n',
      Buffer.alloc(5000, 0xff),
    ]) {
      await writeFile(notes, damaged);
      expect(await digest()).toEqual(right);
    }
  });

  test('that cannot be written costs time alone', async () => {
    await settle();
    const right = await digest();
    await rm(join(root, 'cache'), { recursive: true });
    await writeFile(join(root, 'cache'), 'a file');
    expect(await digest()).toEqual(right);
  });

  test('is written by many at once, and has an end', async () => {
    await settle();
    const hash = await hashFile(join(data, 'a'));
    const many = Array.from({ length: 30_000 }, (_, i) => ({
      ...hash,
      state: { ...hash.state, ino: BigInt(i) },
    }));
    const keepAll = () => Promise.all([0, 1].map(() => new DigestCache(join(root, 'cache')).keep(many)));
    await keepAll();
    const cache = new DigestCache(join(root, 'cache'));
    for (const { state } of [many.slice(0, 1), many.slice(-1)].flat())
      expect(await cache.find(state)).toEqual({ digest: `sha256:${hash.hex}`, size: 5000 });
    for (let round = 0; round < 2; round++) await keepAll();
    expect((await stat(notes)).size).toBeLessThan(20 * 2 ** 20);
    expect((await stat(notes)).mode & 0o777).toBe(0o600);
    expect(await new DigestCache(join(root, 'cache')).find(hash.state)).toBeUndefined();
  }, 60_000);
});
