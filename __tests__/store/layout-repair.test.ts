import { chmod, cp, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Digest, hexOf } from '../../src/lib/digest.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getManifest } from '../../src/store/records.ts';
import { putDeployment } from '../support/runs.ts';
import { digestIn, openWorkshop, type Workshop } from '../support/workshop.ts';

const HOUR = 3600 * 1000;

let shop: Workshop;
let count = 0;
let names: ReadonlyMap<string, Digest>;
/** A store of a whole line, which each test breaks in its own way. */
let store: LayoutStore;
let root: string;
beforeAll(async () => {
  shop = await openWorkshop();
  const { package: packaged } = await shop.toPackage();
  await putDeployment(shop.store, digestIn((await shop.release(packaged)).outputs, 'release'));
  names = await shop.store.names('');
}, 60_000);
beforeEach(async () => {
  root = join(shop.root, `damaged-${count++}`);
  await cp(shop.store.location, root, { recursive: true });
  store = new LayoutStore(root);
});
afterAll(() => shop.remove());

function nameOf(prefix: string): [string, Digest] {
  const [found] = [...names].filter(([name]) => name.startsWith(prefix));
  if (found === undefined) throw new Error(`there is no ${prefix}`);
  return found;
}

async function damage(digest: Digest): Promise<void> {
  await chmod(store.pathOf(digest), 0o644);
  await writeFile(store.pathOf(digest), 'damaged');
}

const index = (): Promise<string> => readFile(join(root, 'index.json'), 'utf8');

test('a store that is whole is left as it is', async () => {
  const before = await index();
  expect(await store.repair()).toEqual([]);
  expect(await index()).toBe(before);
  expect(await new LayoutStore(join(root, 'nothing')).repair()).toEqual([]);
});

describe('index.json', () => {
  test.each([
    ['is gone', undefined, /^index\.json lacked deployment-/],
    ['lacks names', '{"schemaVersion":2,"manifests":[]}', /^index\.json lacked deployment-/],
    ['is damaged', '{"schemaVersion":2,"manif', /^index\.json was damaged: it is index\.json\.damaged now/],
  ])('%s, and is written again from refs/', async (_, text, said) => {
    const before = await index();
    await rm(join(root, 'index.json'));
    if (text !== undefined) await writeFile(join(root, 'index.json'), text);
    expect(await store.repair()).toEqual([expect.stringMatching(said)]);
    expect(await index()).toBe(before);
    expect(await store.repair()).toEqual([]);
  });

  test('gives a damaged name back', async () => {
    const [name, digest] = nameOf('training-');
    await writeFile(join(root, 'refs', name), '');
    await expect(new LayoutStore(join(root)).put(await bytesOf(digest), ['x'])).resolves.toBe(digest);
    expect(await store.repair()).toEqual([
      `the name ${name} was damaged, and is written again from index.json`,
    ]);
    await rm(join(root, 'index.json'));
    expect(await store.resolve(name)).toBe(digest);
  });
});

async function bytesOf(digest: Digest): Promise<Uint8Array> {
  const bytes = await store.get(digest);
  if (bytes === undefined) throw new Error('it is here');
  return bytes;
}

test('a name whose record and index.json are gone, too, is removed', async () => {
  const [name, digest] = nameOf('deployment-');
  await rm(store.pathOf(digest));
  await rm(join(root, 'index.json'));
  expect(await store.repair()).toEqual([
    expect.stringMatching(/^index\.json lacked /),
    `the name ${name} is removed, because its record ${digest} is not here; run the stage that made it again`,
  ]);
  expect(await readdir(join(root, 'refs'))).not.toContain(name);
});

describe('a record', () => {
  test('that lost its name has it again, when it is whole', async () => {
    for (const [name] of names) await rm(join(root, 'refs', name));
    await rm(join(root, 'index.json'));
    const mended = await store.repair();
    const own = [...names.keys()].filter((name) => !name.startsWith('training-'));
    expect(new Set(mended)).toEqual(
      new Set(own.map((name) => `${name} had lost its name, and has it again`)),
    );
    // That a Run may be used again is not written in it.
    expect(new Set((await store.names('')).keys())).toEqual(new Set(own));
  });

  test('that is not whole is not named', async () => {
    const [name, digest] = nameOf('release-');
    await rm(join(root, 'refs', name));
    await rm(join(root, 'index.json'));
    const layer = (await getManifest(store, digest))?.manifest.layers[0];
    if (layer === undefined) throw new Error('a release has its configuration');
    await rm(store.pathOf(layer.digest));
    expect(await store.repair()).toEqual([expect.stringMatching(/^index\.json lacked /)]);
    expect(await store.resolve(name)).toBeUndefined();
  });

  test('of which the manifest is damaged or gone loses its name', async () => {
    const [damagedName, damaged] = nameOf('deployment-');
    const [goneName, gone] = nameOf('source-');
    await damage(damaged);
    await rm(store.pathOf(gone));
    expect(await store.repair()).toEqual([
      `${damaged} was damaged, and is removed`,
      `the name ${damagedName} is removed, because its record ${damaged} is not here; run the stage that made it again`,
      `the name ${goneName} is removed, because its record ${gone} is not here; run the stage that made it again`,
    ]);
    expect((await store.names('')).size).toBe(names.size - 2);
    expect(await index()).not.toContain(damagedName);
    expect(await store.repair()).toEqual([]);
  });
});

test('a large blob that no record lists is read, too; one that a record lists is left to whoever verifies it', async () => {
  const big = await store.write({ bytes: Buffer.alloc(5 * 2 ** 20, 'x') });
  const fine = await store.write({ bytes: Buffer.alloc(5 * 2 ** 20, 'y') });
  await chmod(store.pathOf(big.digest), 0o644);
  await writeFile(store.pathOf(big.digest), Buffer.alloc(5 * 2 ** 20, 'z'));
  expect(await store.repair()).toEqual([`${big.digest} was damaged, and is removed; no record lists it`]);
  expect(await store.has(fine.digest)).toBe(true);
});

describe('what dead writers left', () => {
  const left = ['blobs/sha256/incoming.77-aa.tmp', 'refs/run-x.77-aa.tmp', 'index.json.77-aa.tmp'];

  test('goes when it is a day old, and a folder when nobody wrote to it for a week', async () => {
    const scratch = await store.scratch();
    await mkdir(join(scratch, 'output'));
    await writeFile(join(scratch, 'output', 'model'), 'half a model');
    for (const path of left) await writeFile(join(root, path), '');
    expect(await store.repair()).toEqual([]);
    expect(await store.repair(Date.now() + 23 * HOUR)).toEqual([]);
    const mended = await store.repair(Date.now() + 25 * HOUR);
    expect(new Set(mended)).toEqual(
      new Set(left.map((path) => `${join(root, path)} is removed, a writer that died has left it`)),
    );
    // A training may be silent for days.
    const long = new Date(Date.now() - 10 * 24 * HOUR);
    for (const path of [join(scratch, 'output'), scratch]) await utimes(path, long, long);
    expect(await store.repair()).toEqual([]);
    expect(await store.repair(Date.now() + 8 * 24 * HOUR)).toEqual([
      `${scratch} is removed, a writer that died has left it`,
    ]);
    expect(await readdir(join(root, 'tmp'))).toEqual([]);
  });

  test('a prune that died: what is needed comes back', async () => {
    const [, digest] = nameOf('run-');
    const trash = join(root, 'tmp', 'prune-0123456789abcdef');
    await mkdir(trash, { recursive: true });
    const config = (await getManifest(store, digest))?.manifest.config.digest ?? digest;
    await cp(store.pathOf(config), join(trash, hexOf(config)));
    await rm(store.pathOf(config));
    await writeFile(join(trash, 'a'.repeat(64)), 'of a record that was removed');
    await store.repair();
    expect(await store.has(config)).toBe(true);
    expect(await readdir(join(root, 'tmp'))).toEqual([]);
  });
});
