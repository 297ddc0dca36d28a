import { chmod, mkdir, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pushData } from '../../src/data/push.ts';
import { cacheKey } from '../../src/data/source.ts';
import type { Digest } from '../../src/lib/digest.ts';
import { byBytes } from '../../src/lib/json.ts';
import { lockToken } from '../../src/lib/shared-lock.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { type DataMachine, dataMachine, writeAll } from '../support/data-cache.ts';
import { refusalOf } from '../support/workshop.ts';

const MiB = 2 ** 20;

/** A folder that tells which blobs were read, and can fail. */
class WatchedStore extends LayoutStore {
  readonly reads: Digest[] = [];
  left = Number.POSITIVE_INFINITY;

  override async read(digest: Digest): Promise<Readable> {
    if (--this.left < 0) throw new Error('the power is gone');
    this.reads.push(digest);
    return super.read(digest);
  }
}

let machine: DataMachine;
let store: WatchedStore;
beforeEach(async () => {
  machine = await dataMachine();
  store = new WatchedStore(join(machine.root, 'yard'));
  machine.stores = () => store;
});
afterEach(() => machine.remove());

const SET = { 'a/1.txt': 'one', 'a/2.txt': 'two', 'b.txt': 'three', 'big.bin': Buffer.alloc(33 * MiB, 'x') };
/** Three shards, and their file. */
const LARGE = Object.fromEntries(
  Array.from({ length: 260 }, (_, i) => [`${i % 5}/${i}.bin`, Buffer.alloc(100_000, `${i} `)]),
);
const keyOf = (digest: Digest): string => cacheKey('oci', digest);
const shortKeyOf = (digest: Digest): string => keyOf(digest).slice(0, 12);
const use = (digest: Digest) => machine.use({ oci: '/yard', digest });
const text = (folder: string, path: string): Promise<string> => readFile(join(folder, path), 'utf8');
const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

describe('a data set of a store', () => {
  test('is brought into files that nobody may write, and is there for the next without asking', async () => {
    const digest = await machine.push(SET);
    const { path, release } = await use(digest);
    expect(path).toBe(join(machine.folder, keyOf(digest), 'content'));
    expect(await text(path, 'a/2.txt')).toBe('two');
    expect((await readFile(join(path, 'big.bin'))).equals(SET['big.bin'])).toBe(true);
    expect(await readdir(path)).toEqual(['a', 'b.txt', 'big.bin']);
    for (const file of ['a/1.txt', 'b.txt', 'big.bin']) expect(await modeOf(join(path, file))).toBe(0o444);
    for (const folder of ['', 'a']) expect(await modeOf(join(path, folder))).toBe(0o555);
    await release();
    await rm(join(machine.root, 'yard'), { recursive: true });
    await (await use(digest)).release();
    expect(machine.log.lines.at(-1)).toMatch(/^data set: all of it is here, and as it was: 35 MB$/);
  });

  test('of one file is that file', async () => {
    await machine.push(SET);
    const { record } = await pushData(
      { path: join(machine.root, 'set1/b.txt'), name: 'one' },
      { store, notes: join(machine.root, 'notes'), log: machine.log, signal: machine.stop.signal },
    );
    const { path } = await use(record.digest);
    expect(path).toMatch(/\/content\/b\.txt$/);
    expect(await readFile(path, 'utf8')).toBe('three');
  });

  test('that somebody wrote into is mended, and no more is fetched than that takes', async () => {
    const digest = await machine.push(LARGE);
    const { path } = await use(digest);
    const all = store.reads.length;
    await chmod(join(path, '3'), 0o755);
    await chmod(join(path, '3/3.bin'), 0o644);
    await writeFile(join(path, '3/3.bin'), Buffer.alloc(100_000, 'evil'));
    await writeFile(join(path, '3/more.bin'), 'a stray');
    await symlink('/etc', join(path, '3/link'));
    store.reads.length = 0;
    await use(digest);
    // The manifest's configuration is not read again, and of the shards only one.
    expect(store.reads).toHaveLength(1);
    expect(all).toBeGreaterThan(4);
    expect(await text(path, '3/3.bin')).toMatch(/^3 3 3 /);
    expect((await readdir(join(path, '3'))).filter((name) => !/^\d+\.bin$/.test(name))).toEqual([]);
    expect(await modeOf(join(path, '3'))).toBe(0o555);
    expect(machine.log.warnings).toEqual([
      expect.stringMatching(/^data set: somebody wrote into .*; 1 of its \d parts are fetched again$/),
    ]);
    await rm(join(path, '1'), { recursive: true });
    await use(digest);
    expect(await text(path, '1/1.bin')).toMatch(/^1 1 1 /);
  });

  test('in which somebody put other things in the place of files and folders is mended, and nothing elsewhere is touched', async () => {
    const digest = await machine.push(SET);
    const { path } = await use(digest);
    const elsewhere = join(machine.root, 'elsewhere');
    await writeAll(elsewhere, { '1.txt': 'mine', 'more.txt': 'mine, too' });
    await chmod(path, 0o755);
    await chmod(join(path, 'a'), 0o755);
    await rm(join(path, 'b.txt'));
    await writeAll(path, { 'b.txt/inside': 'a folder now' });
    await rm(join(path, 'a'), { recursive: true });
    await symlink(elsewhere, join(path, 'a'));
    await use(digest);
    expect([await text(path, 'b.txt'), await text(path, 'a/1.txt')]).toEqual(['three', 'one']);
    await rm(path, { recursive: true });
    await symlink(elsewhere, path);
    await use(digest);
    expect(await text(path, 'a/2.txt')).toBe('two');
    expect(await readdir(elsewhere)).toEqual(['1.txt', 'more.txt']);
  });

  test('of which a file was touched is read again, and not fetched', async () => {
    const digest = await machine.push(SET);
    const { path } = await use(digest);
    await utimes(join(path, 'big.bin'), 1, 1);
    store.reads.length = 0;
    for (let i = 0; i < 2; i++) await use(digest);
    expect(store.reads).toEqual([]);
    expect(machine.log.warnings).toEqual([]);
  });

  test('goes on where a run that ended had come to', async () => {
    const digest = await machine.push(LARGE);
    store.left = 4; // configuration, index, two shards
    await expect(use(digest)).rejects.toThrow('the power is gone');
    expect(await machine.keys()).toEqual([`${shortKeyOf(digest)}.partial`]);
    store.left = Number.POSITIVE_INFINITY;
    const before = [...store.reads];
    store.reads.length = 0;
    const { path } = await use(digest);
    expect(store.reads.filter((blob) => before.includes(blob))).toEqual([]);
    expect(await text(path, '4/259.bin')).toMatch(/^259 /);
    expect(await machine.keys()).toEqual([shortKeyOf(digest)]);
  });

  test('is right although the notes of the cache were damaged', async () => {
    const digest = await machine.push(SET);
    const { path } = await use(digest);
    for (const file of ['plan.json', 'stamps.jsonl'])
      await writeFile(join(path, '..', file), '["a/1.txt", 7');
    store.reads.length = 0;
    await use(digest);
    expect(store.reads).toHaveLength(2); // what it consists of: configuration and index
    expect(await text(path, 'a/1.txt')).toBe('one');
  });

  test('that is damaged in the store is refused, and nothing of it is given', async () => {
    const digest = await machine.push(LARGE);
    const [shard] = (await store.get(digest).then((bytes) => JSON.parse(String(Buffer.from(bytes ?? [])))))
      .layers;
    await chmod(store.pathOf(shard.digest), 0o644);
    await writeFile(store.pathOf(shard.digest), Buffer.alloc(shard.size, 'y'));
    expect(await refusalOf(use(digest))).toMatch(/the bytes differ from their digest/);
    expect(await machine.keys()).toEqual([`${shortKeyOf(digest)}.partial`]);
    expect(await refusalOf(use(`sha256:${'0'.repeat(64)}`))).toMatch(/there is no data sha256:0{64} in /);
  });
});

describe('trainings at the same time', () => {
  test('fetch a data set once; who comes second waits, and says for whom', async () => {
    const digest = await machine.push(LARGE);
    const [one, two] = await Promise.all([use(digest), use(digest)]);
    expect(one.path).toBe(two.path);
    expect(new Set(store.reads).size).toBe(store.reads.length);
    expect(machine.log.lines).toContain(
      `data set: another training of this machine prepares it (process ${process.pid}); waiting for it`,
    );
  });

  test('a wait ends with the job', async () => {
    const digest = await machine.push(SET);
    await mkdir(join(machine.folder, `${keyOf(digest)}.lock`), { recursive: true });
    await writeFile(join(machine.folder, `${keyOf(digest)}.lock`, await lockToken()), '');
    const waiting = use(digest);
    setTimeout(() => machine.stop.abort(new Error('cancelled')), 50);
    await expect(waiting).rejects.toThrow(/abort|cancelled/);
  });
});

describe('the limit of the cache', () => {
  const million = (letter: string) => machine.push({ [letter]: Buffer.alloc(1e6, letter) });

  test('lets go of what was used least recently, and never of what a training uses', async () => {
    machine.limit = 2.5e6;
    const [a, b, c, d] = [await million('a'), await million('b'), await million('c'), await million('d')];
    const short = (digests: Digest[]) => digests.map(shortKeyOf).sort(byBytes);
    for (const digest of [a, b]) {
      await (await use(digest)).release();
      await sleep(20);
    }
    await (await use(a)).release(); // now b is the oldest
    await sleep(20);
    const held = await use(c);
    expect(await machine.keys()).toEqual(short([a, c]));
    await (await use(a)).release(); // and now c, which is in use
    await (await use(d)).release();
    expect(await machine.keys()).toEqual(short([c, d]));
    await held.release();
    await (await use(b)).release();
    expect(await machine.keys()).toEqual(short([b, d]));
    expect(
      machine.log.lines.filter((line) => /^removed 1\.0 MB of data that was not used since 2/.test(line)),
    ).toHaveLength(3);
  });

  test('refuses what can never fit, before a byte is fetched', async () => {
    machine.limit = 1.5e6;
    const [small, large] = [await million('a'), await machine.push({ x: Buffer.alloc(2e6) })];
    await (await use(small)).release();
    expect(await refusalOf(use(large))).toMatch(
      /^the data set set has 2\.0 MB, and the cache of data may have 1\.5 MB; set TRAINYARD_DATA_LIMIT of the runner machine higher/,
    );
    expect(await machine.keys()).toContain(shortKeyOf(small));
  });

  test('forgets trainings that were killed', async () => {
    machine.limit = 1.5e6;
    const [a, b] = [await million('a'), await million('b')];
    await (await use(a)).release();
    await writeFile(join(machine.folder, 'leases', `${keyOf(a)}.999999-1.abcd`), '');
    await (await use(b)).release();
    expect(await machine.keys()).toEqual([shortKeyOf(b)]);
  });
});
