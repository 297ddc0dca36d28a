/** What every kind of store must do; each kind's test file runs it on its own. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Digest, digestOf } from '../../src/lib/digest.ts';
import { UserError } from '../../src/lib/errors.ts';
import { source } from '../../src/records/source.ts';
import { copyBlob } from '../../src/store/copy.ts';
import { getRecord, putRecord, readBytes } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';

/** Stores for one kind's run of the suite: every name is a store of its own, the same name the same store opened anew. */
export interface Stores {
  open(name: string): Store;
  close(): Promise<void>;
}

const NOWHERE: Digest = `sha256:${'0'.repeat(64)}`;
const config = (n: number) => ({
  repository: 'r',
  commit: String(n).padStart(40, '0'),
  path: '.',
  ref: 'main',
});

/** Tells jest the tests of a kind of store. */
export function describeStore(kind: string, start: () => Promise<Stores>): void {
  describe(kind, () => {
    let stores: Stores;
    let folder: string;
    beforeAll(async () => {
      stores = await start();
      folder = await mkdtemp(join(tmpdir(), 'suite-'));
    });
    afterAll(async () => {
      await stores.close();
      await rm(folder, { recursive: true, force: true });
    });
    const bytes = randomBytes(3_000_000);
    const digest = digestOf(bytes);

    test('keeps what it is given, whatever way it comes, and gives it back', async () => {
      const file = join(folder, 'file');
      await writeFile(file, bytes);
      const [ours, again] = [join(folder, 'ours'), join(folder, 'again')];
      for (const path of [ours, again]) await writeFile(path, bytes);
      const ways = {
        bytes: { bytes },
        stream: { stream: Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]) },
        open: { open: async () => Readable.from([bytes]), size: bytes.length },
        copy: { file, how: 'copy' },
        link: { file: again, how: 'link' },
        move: { file: ours, how: 'move' },
      } as const;
      for (const [way, content] of Object.entries(ways)) {
        const store = stores.open(`way-${way}`);
        expect(await store.has(digest)).toBe(false);
        expect(await store.write(content, way === 'open' ? digest : undefined)).toEqual({
          digest,
          size: bytes.length,
        });
        expect(await stores.open(`way-${way}`).has(digest)).toBe(true);
        expect((await readBytes(stores.open(`way-${way}`), digest)).equals(bytes)).toBe(true);
      }
      expect((await stat(file)).size).toBe(bytes.length);
      expect(await readdir(folder)).not.toContain('ours');
    });

    test('keeps an empty content', async () => {
      const store = stores.open('empty');
      const blob = await store.write({ bytes: Buffer.alloc(0) });
      expect(await readBytes(stores.open('empty'), blob.digest)).toEqual(Buffer.alloc(0));
    });

    test('shows a part of a blob, and nothing behind its end', async () => {
      const store = stores.open('peek');
      await store.write({ bytes });
      expect((await store.peek(digest, 0, 16)).equals(bytes.subarray(0, 16))).toBe(true);
      expect((await store.peek(digest, 2_999_990, 100)).equals(bytes.subarray(2_999_990))).toBe(true);
      expect(await store.peek(digest, 3_000_000, 5)).toEqual(Buffer.alloc(0));
      await expect(store.peek(NOWHERE, 0, 5)).rejects.toThrow(UserError);
    });

    test('refuses a content that is not what it is said to be', async () => {
      const store = stores.open('differs');
      const file = join(folder, 'other');
      await writeFile(file, 'other');
      for (const content of [
        { bytes: Buffer.from('other') },
        { stream: Readable.from([Buffer.from('other')]) },
        { open: async () => Readable.from([Buffer.from('other')]), size: 5 },
        { file, how: 'copy' },
      ] as const)
        await expect(store.write(content, digest)).rejects.toThrow(UserError);
      expect(await stores.open('differs').has(digest)).toBe(false);
    });

    test('says that it does not have what it does not have', async () => {
      const store = stores.open('nothing');
      expect([await store.has(NOWHERE), await store.get(NOWHERE), await store.resolve('main')]).toEqual([
        false,
        undefined,
        undefined,
      ]);
      expect([await store.children(NOWHERE), [...(await store.names(''))]]).toEqual([[], []]);
      await expect(readBytes(store, NOWHERE)).rejects.toThrow(UserError);
    });

    test('finds records by name, by prefix and from their subject', async () => {
      const store = stores.open('records');
      const parent = await putRecord(store, source, { config: config(1), layers: [] });
      const children = await Promise.all(
        [2, 3, 4].map((n) => putRecord(store, source, { config: config(n), layers: [], subject: parent })),
      );
      const again = stores.open('records');
      expect((await getRecord(again, source, parent.digest)).config).toEqual(config(1));
      expect(new Set(await again.children(parent.digest))).toEqual(
        new Set(children.map((one) => one.digest)),
      );
      expect([...(await again.names('source-000')).values()].length).toBe(4);
      const name = source.tag(config(2), children[0]?.digest ?? NOWHERE);
      expect(await again.resolve(name)).toBe(children[0]?.digest);
      expect([...(await again.names(name))]).toEqual([[name, children[0]?.digest]]);
    });

    test('moves a name that exists', async () => {
      const store = stores.open('moving');
      const [one, two] = [
        await putRecord(store, source, { config: config(1), layers: [] }),
        await putRecord(store, source, { config: config(2), layers: [] }),
      ];
      for (const record of [one, two]) {
        const manifest = await store.get(record.digest);
        await store.put(manifest ?? Buffer.alloc(0), ['latest']);
        expect(await stores.open('moving').resolve('latest')).toBe(record.digest);
      }
    });

    test('gives a blob to another store of its kind', async () => {
      const from = stores.open('giver');
      await from.write({ bytes });
      await copyBlob(from, stores.open('taker'), { digest, size: bytes.length });
      expect((await readBytes(stores.open('taker'), digest)).equals(bytes)).toBe(true);
    });

    test('loses no record of two writers at once', async () => {
      const parent = await putRecord(stores.open('two'), source, { config: config(1), layers: [] });
      const written = await Promise.all(
        Array.from({ length: 8 }, (_, n) =>
          putRecord(stores.open('two'), source, { config: config(n + 2), layers: [], subject: parent }),
        ),
      );
      const found = await stores.open('two').children(parent.digest);
      expect(new Set(found)).toEqual(new Set(written.map((one) => one.digest)));
    });

    test('forgets records that are removed, and no others', async () => {
      const store = stores.open('removal');
      const parent = await putRecord(store, source, { config: config(1), layers: [] });
      const [gone, kept] = [
        await putRecord(store, source, { config: config(2), layers: [], subject: parent }),
        await putRecord(store, source, { config: config(3), layers: [], subject: parent }),
      ];
      // What was named within a day stays: a running job may need it.
      await store.remove?.(new Set([gone.digest]), Date.now() + 2 * 24 * 3600 * 1000);
      const again = stores.open('removal');
      expect(await again.children(parent.digest)).toEqual([kept.digest]);
      expect(new Set((await again.names('')).values())).toEqual(new Set([parent.digest, kept.digest]));
      expect(await again.get(gone.digest)).toBeUndefined();
    });
  });
}
