import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { canonicalBytes } from '../../src/lib/json.ts';
import { copyRecord } from '../../src/store/copy.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getManifest, readBytes } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { digestIn, openWorkshop, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
let release: Digest;
let run: Digest;
let to: LayoutStore;
let count = 0;
beforeAll(async () => {
  shop = await openWorkshop();
  const made = await shop.toPackage();
  run = made.run;
  release = digestIn((await shop.release(made.package)).outputs, 'release');
}, 60_000);
beforeEach(() => {
  count += 1;
  to = new LayoutStore(join(shop.root, `copy-${count}`));
});
afterAll(() => shop.remove());

/** Every name and every blob of a store. */
async function contents({ location }: LayoutStore): Promise<unknown> {
  return {
    names: [...(await new LayoutStore(location).names(''))],
    blobs: await readdir(join(location, 'blobs', 'sha256')),
  };
}

/** A store that dies when it is written to for the nth time, at the latest moment at which that is seen by nobody. */
function dying(store: LayoutStore, after: number): Store {
  let writes = 0;
  const step = (): void => {
    writes += 1;
    if (writes > after) throw new Error('killed');
  };
  return {
    location: store.location,
    has: (digest) => store.has(digest),
    read: (digest) => store.read(digest),
    peek: (digest, offset, length) => store.peek(digest, offset, length),
    get: (digest) => store.get(digest),
    children: (digest) => store.children(digest),
    names: (prefix) => store.names(prefix),
    resolve: (name) => store.resolve(name),
    take: async (from, blob) => {
      step();
      return store.take(from, blob);
    },
    scratch: () => store.scratch(),
    write: async (content, expected) => {
      step();
      return store.write(content, expected);
    },
    put: async (manifest, names) => {
      await store.write({ bytes: manifest });
      step();
      return store.put(manifest, names);
    },
  };
}

describe('a record is copied', () => {
  test('with everything that it stands on, under its own names', async () => {
    await copyRecord(shop.store, to, release);
    const kinds = [...(await to.names('')).keys()].map((name) => name.split('-')[0]);
    expect(kinds).toEqual(['package', 'program', 'program', 'release', 'run', 'source', 'source', 'source']);
    for (const digest of (await to.names('')).values()) {
      const { manifest } = (await getManifest(to, digest)) ?? {};
      for (const blob of [manifest?.config, ...(manifest?.layers ?? [])])
        if (blob !== undefined) await readBytes(to, blob.digest);
    }
  });

  test('once: copying again, or into itself, changes nothing', async () => {
    await copyRecord(shop.store, to, release);
    const before = await contents(to);
    await copyRecord(shop.store, to, release);
    await copyRecord(to, to, release);
    expect(await contents(to)).toEqual(before);
  });

  test('to the same end however often it is interrupted', async () => {
    await copyRecord(shop.store, to, release);
    const other = new LayoutStore(join(shop.root, `interrupted-${count}`));
    let attempts = 0;
    for (let done = false; !done; attempts++) {
      done = await copyRecord(shop.store, dying(other, attempts % 3), release).then(
        () => true,
        (error: Error) => {
          expect(error.message).toBe('killed');
          return false;
        },
      );
      // What can be found by a name is whole at every moment.
      for (const digest of (await other.names('')).values()) {
        const { manifest } = (await getManifest(other, digest)) ?? {};
        for (const { digest: blob } of manifest?.layers ?? []) expect(await other.has(blob)).toBe(true);
      }
      if (attempts > 200) throw new Error('it never ends');
    }
    expect(attempts).toBeGreaterThan(5);
    expect(await contents(other)).toEqual(await contents(to));
  });

  test('without the layers of some kinds, which a later copy adds', async () => {
    await copyRecord(shop.store, to, run, () => false);
    const { manifest } = (await getManifest(to, run)) ?? {};
    const layers = manifest?.layers ?? [];
    expect(layers).toHaveLength(2);
    for (const { digest } of layers) expect(await to.has(digest)).toBe(false);
    await copyRecord(shop.store, to, run, (kind) => kind === 'run');
    for (const { digest } of layers) expect(await to.has(digest)).toBe(true);
  });
});

describe('it is refused', () => {
  test('when it is not there, of a newer version, or not a record of ours', async () => {
    const zero = `sha256:${'0'.repeat(64)}` as const;
    await expect(copyRecord(shop.store, to, zero)).rejects.toThrow(
      `there is no record ${zero} in ${shop.store.location}`,
    );
    const { manifest } = (await getManifest(shop.store, run)) ?? {};
    const artifactType = 'application/vnd.trainyard.run.v2+json';
    const newer = await shop.store.put(canonicalBytes({ ...manifest, artifactType }), []);
    await expect(copyRecord(shop.store, to, newer)).rejects.toThrow(
      /was written by a newer Trainyard \(application\/vnd\.trainyard\.run\.v2\+json\); use that version/,
    );
  });

  test('when its bytes differ or are gone, and nothing that stands on them is named', async () => {
    const from = new LayoutStore(join(shop.root, 'damaged'));
    await copyRecord(shop.store, from, release);
    // Linked files are shared with the store that they came from.
    const { manifest } = (await getManifest(from, run)) ?? {};
    const model = manifest?.layers[0]?.digest;
    if (model === undefined) throw new Error('the run has a model');
    await rm(from.pathOf(model));
    await expect(copyRecord(from, to, release)).rejects.toThrow(/damaged: there is no blob sha256:/);
    await writeFile(from.pathOf(model), 'another model');
    await chmod(from.pathOf(model), 0o444);
    await expect(copyRecord(from, to, release)).rejects.toThrow(/the bytes differ from their digest/);
    const kinds = [...(await to.names('')).keys()].map((name) => name.split('-')[0]);
    expect(kinds).toEqual(['program', 'source']);
  });
});
