import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { LayoutStore } from '../../src/store/layout.ts';
import { openStore, type StorePlace } from '../../src/store/open.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-open-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const place = (inActions: boolean): StorePlace => ({
  inActions,
  folder,
  artifacts: async () => new LayoutStore(join(folder, 'artifacts'), 'artifact:'),
  registry: async (value) => new LayoutStore(join(folder, 'registry'), value),
});

test('a path is a folder, made by the first write; relative to the current one at a terminal', async () => {
  const store = await openStore('./yard', 'store', place(false));
  expect(store.location).toBe('./yard');
  expect(await readdir(folder)).toEqual([]);
  await store.write({ bytes: Buffer.from('x') });
  expect(await readdir(folder)).toEqual(['yard']);
  expect((await openStore(join(folder, 'yard'), 'store', place(true))).location).toBe(join(folder, 'yard'));
});

test('artifact: and a registry are what the place has for them', async () => {
  expect((await openStore('artifact:', 'handoff', place(true))).location).toBe('artifact:');
  expect((await openStore('oci://h/r', 'handoff', place(true))).location).toBe('oci://h/r');
});

test.each([
  [
    's3://bucket/models',
    true,
    /^store is "s3:\/\/bucket\/models", a kind of store that is not known\. Known are: a folder \(\/srv\/models\), oci:\/\/HOST\/REPOSITORY \(a registry\), and artifact:/,
  ],
  ['artifacts:', true, /a kind of store that is not known/],
  ['', true, /^store is empty; give a folder \(\/srv\/models\), oci:\/\/HOST\/REPOSITORY or artifact:$/],
  [
    'yard',
    true,
    /^store is "yard", a relative path, and each job has a folder of its own\. Give an absolute path on a disk that all jobs share, or artifact:$/,
  ],
  ['file', false, /^store is "file", a file; a store is a folder \(name another one, or remove the file\)$/],
  ['file/yard', false, /^store is "file\/yard", below a file; a store is a folder$/],
])('%j (in Actions: %j) is refused', async (value, inActions, said) => {
  await writeFile(join(folder, 'file'), '');
  await expect(openStore(value, 'store', place(inActions))).rejects.toThrow(said);
  expect(await readdir(folder)).toEqual(['file']);
});
