import {
  chmod,
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import { canonicalBytes } from '../../src/lib/json.ts';
import { source } from '../../src/records/source.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { findRecord, readBytes } from '../../src/store/records.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'layout-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

function manifest(marker: string, subject?: string): Buffer {
  const config = {
    mediaType: 'application/json',
    digest: digestOf(Buffer.from(marker)),
    size: marker.length,
  };
  return canonicalBytes({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    artifactType: 'application/vnd.trainyard.source.v1+json',
    config,
    layers: [],
    ...(subject && {
      subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: subject, size: 1 },
    }),
  });
}

describe('a folder as a store', () => {
  test('keeps a content once, read-only, under its digest', async () => {
    const store = new LayoutStore(join(root, 'yard'));
    const blob = await store.write({ bytes: Buffer.from('weights') });
    expect(blob).toEqual({ digest: digestOf(Buffer.from('weights')), size: 7 });
    expect((await readBytes(store, blob.digest)).toString()).toBe('weights');
    expect((await stat(store.pathOf(blob.digest))).mode & 0o777).toBe(0o444);
  });

  test('moves a file of ours in, and copies one of the user’s', async () => {
    const store = new LayoutStore(join(root, 'yard'));
    const scratch = await store.scratch();
    await writeFile(join(scratch, 'model'), 'a model');
    await writeFile(join(root, 'theirs'), 'their file');
    const { ino } = await stat(join(scratch, 'model'));
    const moved = await store.write({ file: join(scratch, 'model'), how: 'move' });
    const copied = await store.write({ file: join(root, 'theirs'), how: 'copy' });
    expect((await stat(store.pathOf(moved.digest))).ino).toBe(ino);
    expect(await readdir(scratch)).toEqual([]);
    await writeFile(join(root, 'theirs'), 'changed afterwards');
    expect((await readBytes(store, copied.digest)).toString()).toBe('their file');
  });

  test('refuses a blob whose bytes were changed, and heals when it is written again', async () => {
    const store = new LayoutStore(root);
    const { digest } = await store.write({ bytes: Buffer.from('right') });
    await chmod(store.pathOf(digest), 0o644);
    await writeFile(store.pathOf(digest), 'wrong');
    await expect(readBytes(store, digest)).rejects.toThrow(/bytes differ from their digest/);
    await expect(store.get(digest)).rejects.toThrow(/bytes differ/);
    await store.write({ bytes: Buffer.from('right') });
    expect((await readBytes(store, digest)).toString()).toBe('right');
  });

  test('a model’s file, given for a record, is not read into memory', async () => {
    const store = new LayoutStore(root);
    const { digest } = await store.write({ bytes: Buffer.from('weights') });
    await chmod(store.pathOf(digest), 0o644);
    await truncate(store.pathOf(digest), 2 ** 33);
    await expect(store.get(digest)).rejects.toThrow(
      /has 8589934592 bytes, and no record has so many; it may be a file in one$/,
    );
  });

  test('nor is one that a record names as its configuration', async () => {
    const store = new LayoutStore(root);
    const { digest } = await store.write({ bytes: Buffer.from('weights') });
    const record = await store.put(manifest('weights'), []);
    await chmod(store.pathOf(digest), 0o644);
    await truncate(store.pathOf(digest), 2 ** 24);
    await expect(findRecord(store, source, record)).rejects.toThrow(
      `${digest} has more than 4194304 bytes, and no record's configuration has so many`,
    );
  });

  test('a content that is not what was expected leaves nothing behind', async () => {
    const store = new LayoutStore(root);
    await writeFile(join(root, 'file'), 'other');
    await expect(
      store.write({ file: join(root, 'file'), how: 'copy' }, digestOf(Buffer.from('x'))),
    ).rejects.toThrow(/differ/);
    expect(await readdir(join(root, 'blobs', 'sha256'))).toEqual([]);
  });

  test('a store that is a file is refused with the fix', async () => {
    await writeFile(join(root, 'file'), '');
    await expect(new LayoutStore(join(root, 'file')).write({ bytes: Buffer.from('') })).rejects.toThrow(
      /is a file; a store is a folder/,
    );
  });

  test('names records, moves a name, and finds children by subject', async () => {
    const store = new LayoutStore(root);
    const parent = await store.put(manifest('parent'), ['program-1']);
    const child = await store.put(manifest('child', parent), ['run-1', 'training-a']);
    const other = await store.put(manifest('other', parent), ['run-2', 'training-a']);
    expect([...(await store.names('run-'))]).toEqual([
      ['run-1', child],
      ['run-2', other],
    ]);
    expect((await store.names('training-')).get('training-a')).toBe(other);
    expect(new Set(await store.children(parent))).toEqual(new Set([child, other]));
    expect(await store.get(digestOf(Buffer.from('absent')))).toBeUndefined();
  });

  test('a name whose writer died before the index was written is found, and comes into the index with the next', async () => {
    const store = new LayoutStore(root);
    const lost = await store.put(manifest('lost'), ['run-lost']);
    await writeFile(join(root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [] }));
    expect((await store.names('')).get('run-lost')).toBe(lost);
    await store.put(manifest('next'), ['run-next']);
    expect(await readFile(join(root, 'index.json'), 'utf8')).toContain('run-lost');
  });

  test('keeps what other tools put into the index, with fields that it does not use', async () => {
    const store = new LayoutStore(root);
    const parent = await store.put(manifest('parent'), ['program-1']);
    const theirs = await store.write({
      bytes: canonicalBytes({ schemaVersion: 2, manifests: [], subject: { digest: parent } }),
    });
    const entry = {
      mediaType: 'application/vnd.oci.image.index.v1+json',
      ...theirs,
      platform: { os: 'linux', architecture: 'arm64' },
    };
    await writeFile(join(root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [entry] }));
    const child = await store.put(manifest('child', parent), ['run-1']);
    expect(await store.children(parent)).toEqual([child]);
    const index: unknown = JSON.parse(await readFile(join(root, 'index.json'), 'utf8'));
    expect(index).toMatchObject({ manifests: expect.arrayContaining([entry]) });
  });

  test('a name whose file was damaged is refused with its place', async () => {
    const store = new LayoutStore(root);
    await store.write({ bytes: Buffer.from('x') });
    await mkdir(join(root, 'refs'));
    await writeFile(join(root, 'refs', 'run-1'), '');
    await expect(store.names('')).rejects.toThrow(/refs\/run-1 .*damaged.*emove it/);
  });

  test('a record that another tool deleted stays deleted', async () => {
    const store = new LayoutStore(root);
    const gone = await store.put(manifest('gone'), ['run-gone']);
    await rm(store.pathOf(gone));
    await writeFile(join(root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [] }));
    await store.put(manifest('next'), ['run-next']);
    expect([...(await store.names('')).keys()]).toEqual(['run-next']);
    expect(await store.put(manifest('gone'), ['run-gone'])).toBe(gone);
    expect((await store.names('')).get('run-gone')).toBe(gone);
  });

  test('a name that moves while another writer rewrites the index stays moved', async () => {
    const [one, other] = [new LayoutStore(root), new LayoutStore(root)];
    await one.put(manifest('old'), ['run-old', 'training-a']);
    const file = await open(import.meta.filename);
    const handle: FileHandle = Object.getPrototypeOf(file);
    await file.close();
    const { sync } = handle;
    let moved = '';
    const spy = jest.spyOn(handle, 'sync').mockImplementation(async function (this: FileHandle) {
      const [writes] = (await readdir(root)).filter((name) => name.startsWith('index.json.'));
      if (writes !== undefined) {
        spy.mockRestore();
        moved = await one.put(manifest('new'), ['run-new', 'training-a']);
      }
      return sync.call(this);
    });
    await other.put(manifest('bystander'), ['run-bystander']);
    expect(moved).toBe(digestOf(manifest('new')));
    expect(Object.fromEntries(await one.names(''))).toMatchObject({
      'run-bystander': digestOf(manifest('bystander')),
      'run-new': moved,
      'training-a': moved,
    });
  });

  test('many writers at once lose no name', async () => {
    const writers = Array.from({ length: 40 }, (_, i) =>
      new LayoutStore(root).put(manifest(`m${i}`), [`run-${i}`]),
    );
    await Promise.all(writers);
    const index: unknown = JSON.parse(await readFile(join(root, 'index.json'), 'utf8'));
    expect(index).toMatchObject({ schemaVersion: 2 });
    expect((await new LayoutStore(root).names('run-')).size).toBe(40);
    for (let i = 0; i < 40; i++) expect(JSON.stringify(index)).toContain(`"run-${i}"`);
  });
});
