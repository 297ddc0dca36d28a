import { appendFile, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { extract } from 'tar-stream';
import { type Pushed, pushData } from '../../src/data/push.ts';
import { FILE_LAYER, INDEX_LAYER, SHARD_LAYER } from '../../src/records/data.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { readBytes } from '../../src/store/records.ts';
import { type RecordingLog, recordingLog } from '../support/log.ts';
import { refusalOf } from '../support/workshop.ts';

const MiB = 2 ** 20;
let root: string;
let log: RecordingLog;
let store: LayoutStore;
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'trainyard-data-'));
});
beforeEach(() => {
  log = recordingLog();
  store = new LayoutStore(join(root, `yard${++count}`));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function write(folder: string, files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, folder, path)), { recursive: true });
    await writeFile(join(root, folder, path), content);
  }
  return join(root, folder);
}
const push = (path: string, changes: Partial<Parameters<typeof pushData>[1]> = {}): Promise<Pushed> =>
  pushData(
    { path, name: 'set' },
    { store, notes: join(root, 'notes'), log, signal: new AbortController().signal, ...changes },
  );

/** 40 MB in 400 files: a few shards. */
const images = (folder: string): Promise<string> =>
  write(
    folder,
    Object.fromEntries(
      Array.from({ length: 400 }, (_, i) => [`${i % 7}/${i}.png`, Buffer.alloc(100_000, `${i} `)]),
    ),
  );

/** Name and content of every file of a shard, and the numbers of its first header. */
async function unpack(bytes: Buffer): Promise<Map<string, string>> {
  const archive = extract();
  archive.end(bytes);
  const files = new Map<string, string>();
  for await (const entry of archive) {
    expect(entry.header).toMatchObject({ type: 'file', mode: 0o644, uid: 0, gid: 0, mtime: new Date(0) });
    files.set(entry.header.name, await text(entry));
  }
  return files;
}

describe('a data set', () => {
  test('holds small files in a plain tar, large ones as they are, and an index of all', async () => {
    const long = `${'long/'.repeat(30)}name`;
    const path = await write('kinds', {
      'b.txt': 'b',
      'a/ä.txt': 'umlaut',
      [long]: 'deep',
      empty: '',
      'big.bin': Buffer.alloc(32 * MiB, 'x'),
    });
    const { record } = await push(path);
    expect(record.config).toEqual({ name: 'set', form: 'folder', files: 5, bytes: 32 * MiB + 11 });
    const [shard, big, index] = record.manifest.layers;
    expect(record.manifest.layers.map(({ mediaType }) => mediaType)).toEqual([
      SHARD_LAYER,
      FILE_LAYER,
      INDEX_LAYER,
    ]);
    expect(big).toMatchObject({
      size: 32 * MiB,
      annotations: { 'org.opencontainers.image.title': 'big.bin' },
    });
    expect(await unpack(await readBytes(store, shard?.digest ?? 'sha256:'))).toEqual(
      new Map([
        ['a/ä.txt', 'umlaut'],
        ['b.txt', 'b'],
        ['empty', ''],
        [long, 'deep'],
      ]),
    );
    expect(JSON.parse((await readBytes(store, index?.digest ?? 'sha256:')).toString())).toEqual({
      layers: [
        {
          digest: shard?.digest,
          files: [
            ['a/ä.txt', 7 - 1],
            ['b.txt', 1],
            ['empty', 0],
            [long, 4],
          ],
        },
        { digest: big?.digest, files: [['big.bin', 32 * MiB]] },
      ],
    });
    expect([...(await store.names('data-')).keys()]).toEqual([
      `data-set-${record.digest.slice('sha256:'.length, 19)}`,
    ]);
  });

  test('of the same files has the same digest, wherever, whenever and in whatever order they were written', async () => {
    const first = await push(await write('one', { 'x/1': 'one', 'x/2': 'two' }));
    const path = await write('other', { 'x/2': 'two', 'x/1': 'one' });
    await utimes(join(path, 'x/1'), 1, 1);
    expect((await push(path)).record.digest).toBe(first.record.digest);
    expect((await push(await write('moved', { 'y/1': 'one', 'y/2': 'two' }))).record.digest).not.toBe(
      first.record.digest,
    );
  });

  test('may be one file, whatever its size', async () => {
    const path = await write('single', { 'digits.csv': '1,2\n' });
    const { record } = await push(join(path, 'digits.csv'));
    expect(record.config).toEqual({ name: 'set', form: 'file', files: 1, bytes: 4 });
    expect(record.manifest.layers[0]).toMatchObject({ mediaType: FILE_LAYER, size: 4 });
  });

  test('of which a file has changed is read and written in that part alone', async () => {
    const path = await images('images');
    await sleep(2100); // a file that changed this moment may change again unseen
    const first = await push(path);
    expect(first).toMatchObject({ written: first.layers, read: first.layers });
    expect(first.layers).toBeGreaterThan(3);
    expect(await push(path)).toMatchObject({ written: 0, read: 0, record: { digest: first.record.digest } });
    await appendFile(join(path, '3/150.png'), 'more');
    const second = await push(path);
    expect(second.read).toBeLessThanOrEqual(2);
    expect(second.written).toBe(second.read);
    expect(second.record.digest).not.toBe(first.record.digest);
    await rm(join(path, '3/150.png'));
    const third = await push(path);
    expect(third.written).toBeLessThanOrEqual(2);
    // Without notes all is read, and nothing is written again.
    const anew = await push(path, { notes: join(root, 'other notes') });
    expect(anew).toMatchObject({ written: 0, read: third.layers, record: { digest: third.record.digest } });
  });

  test('is right although the notes of the last push were damaged', async () => {
    const path = await write('noted', { a: 'a' });
    const { record } = await push(path);
    await rm(join(root, 'notes'), { recursive: true });
    await write('notes', { '0.json': '{' });
    expect((await push(path)).record.digest).toBe(record.digest);
  });
});

describe('a data set is refused', () => {
  test.each<[string, (folder: string) => Promise<unknown>, RegExp]>([
    ['nothing', async () => {}, /input path is .*, and nothing is there/],
    ['an empty folder', (folder) => mkdir(folder), /a folder without files/],
    [
      'a link',
      async (folder) => {
        await write('refused-a link', { a: 'a' });
        await symlink('/etc/hostname', join(folder, 'l'));
      },
      /"l" is neither a file nor a folder/,
    ],
    [
      'names that clash',
      () => write('refused-names that clash', { 'A.txt': '', 'a.txt': '', 'nul.txt': '' }),
      /"a\.txt" and "A\.txt" are one name .*; rename it\n.*"nul\.txt" has the name nul\.txt, which is a device/,
    ],
  ])('for %s', async (name, make, said) => {
    const folder = join(root, `refused-${name}`);
    await make(folder);
    expect(await refusalOf(push(folder))).toMatch(said);
    expect(await store.names('data-')).toEqual(new Map());
  });

  test('fault 27: a file that is written to while it is packed is named, and nothing is recorded', async () => {
    const path = await images('moving');
    const busy = setInterval(() => void appendFile(join(path, '6/6.png'), 'x'), 1);
    try {
      expect(await refusalOf(push(path))).toMatch(
        /6\/6\.png changed while it was read; wait until whatever writes/,
      );
    } finally {
      clearInterval(busy);
    }
    expect(await store.names('data-')).toEqual(new Map());
    await sleep(20);
    expect((await push(path)).record.config.files).toBe(400);
  });

  test('when the job is cancelled', async () => {
    const stop = new AbortController();
    stop.abort(new Error('cancelled'));
    await expect(push(await write('late', { a: '' }), { signal: stop.signal })).rejects.toThrow('cancelled');
  });
});
