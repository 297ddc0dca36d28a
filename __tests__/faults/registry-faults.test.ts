/** Faults 28 to 31: what befalls records on their way to a registry and back, and what the next run makes of it. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { MachineError, UserError } from '../../src/lib/errors.ts';
import { manifestOf } from '../../src/records/oci.ts';
import { copyRecord } from '../../src/store/copy.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { readBytes } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { startCopying } from '../support/copying.ts';
import { openOn } from '../support/registries.ts';
import { type Registry, type RegistryOptions, startRegistry } from '../support/registry.ts';
import type { Failure } from '../support/registry-faults.ts';
import type { Operation } from '../support/registry-routes.ts';
import { putRelease } from '../support/releases.ts';

const MODEL = 'weights '.repeat(40_000);

let folder: string;
let local: LayoutStore;
let release: Digest;
let registry: Registry;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'faults-'));
  local = new LayoutStore(join(folder, 'local'));
  release = (await putRelease(local, { port: 8080, model: MODEL })).digest;
});
afterEach(async () => {
  await registry.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(options: RegistryOptions = {}): Promise<void> {
  registry = await startRegistry(options);
}

const opened = () => openOn(registry, folder);
const push = (): Promise<void> => copyRecord(local, opened().store, release);
const pull = (to = 'pulled'): Promise<void> =>
  copyRecord(opened().store, new LayoutStore(join(folder, to)), release);
const of = (operation: Operation) => registry.requests.filter((one) => one.operation === operation);
const uploaded = (): number =>
  registry.requests.reduce(
    (sum, { operation, bytesIn }) => sum + (/Upload/.test(operation) ? bytesIn : 0),
    0,
  );

/** Every record that is found is whole, and the release is among them, or not. */
async function expectWhole(store: Store, isReleased: boolean): Promise<void> {
  const found = new Set((await store.names('')).values());
  for (const digest of found) {
    const { config, layers, subject } = manifestOf((await store.get(digest)) ?? Buffer.alloc(0), '');
    for (const blob of [config, ...layers])
      expect((await readBytes(store, blob.digest)).length).toBe(blob.size);
    if (subject !== undefined) expect(await store.children(subject.digest)).toContain(digest);
  }
  expect(found.has(release)).toBe(isReleased);
}

describe('fault 28: a registry that fails for a while', () => {
  const WRITES: readonly Operation[] = [
    'headBlob',
    'startUpload',
    'putUpload',
    'headManifest',
    'getManifest',
    'putManifest',
    'listReferrers',
  ];
  const READS: readonly Operation[] = ['getBlob', 'headBlob', 'getManifest', 'listReferrers'];

  test.each<[string, Failure]>([
    ['500', 500],
    ['502', 502],
    ['503', 503],
    ['504', 504],
    ['429 with Retry-After', { status: 429, retryAfter: 3 }],
    ['429 with a date', { status: 429, retryAfter: new Date(Date.now() + 60_000) }],
    ['a connection that ends', 'reset'],
    ['an answer that is lost', 'lose-answer'],
  ])('loses nothing: %s', async (_, what) => {
    await start();
    for (const on of WRITES) registry.faults.add({ on, times: 2, what });
    await push();
    await expectWhole(opened().store, true);
    for (const on of READS) registry.faults.add({ on, times: 2, what });
    await pull();
    await expectWhole(new LayoutStore(join(folder, 'pulled')), true);
  });

  test.each(['putUpload', 'getBlob'] as const)(
    'and ends connections in the middle of a blob loses nothing: %s',
    async (on) => {
      await start();
      if (on === 'getBlob') await push();
      registry.faults.add({
        on,
        times: 3,
        what: on === 'getBlob' ? { cutResponse: 100_000 } : { cutRequest: 100_000 },
      });
      await (on === 'getBlob' ? pull() : push());
      await expectWhole(on === 'getBlob' ? new LayoutStore(join(folder, 'pulled')) : opened().store, true);
    },
  );

  test.each([302, 307] as const)(
    'sends blobs from another host, which gets no credential: %d',
    async (status) => {
      await start({ redirect: { status } });
      await push();
      registry.faults.add({ on: 'getRedirected', what: { cutResponse: 100_000 } });
      await pull();
      await expectWhole(new LayoutStore(join(folder, 'pulled')), true);
      expect(of('getRedirected').filter(({ headers }) => headers.authorization !== undefined)).toEqual([]);
    },
  );

  test.each<[Operation, Failure, RegExp]>([
    ['startUpload', 503, /the upload of [0-9a-f]{12} does not succeed: POST .*503.*run this again/],
    ['putUpload', 'reset', /the upload of [0-9a-f]{12} does not succeed: .*run this again/],
    ['putManifest', 500, /the record program-.* does not succeed: PUT .*500.*run this again/],
    [
      'headBlob',
      { status: 429, retryAfter: 4000 },
      /the look for [0-9a-f]{12} does not succeed: .*429.*It asks to wait for 4000 s/,
    ],
    ['listReferrers', 'reset', /the list of referrers does not succeed: .*run this again/],
  ])(
    'and does not stop failing is told after five attempts; the next run needs no help: %s',
    async (on, what, message) => {
      await start();
      registry.faults.add({ on, times: 99, what });
      registry.faults.add({ on: 'patchUpload', times: 99, what });
      await expect(push()).rejects.toThrow(MachineError);
      const parts = await readdir(join(folder, 'local', 'blobs', 'sha256'));
      expect(of(on).length).toBeLessThanOrEqual(5 * parts.length);
      await expect(push()).rejects.toThrow(message);
      registry.faults.clear();
      await expectWhole(opened().store, false);
      await push();
      await expectWhole(opened().store, true);
    },
  );
});

describe('fault 29: a registry that gives something else', () => {
  test.each(['headManifest', 'getManifest', 'putManifest', 'putUpload', 'headBlob'] as const)(
    'by a wrong digest in the header of %s is not believed, and the next run needs no help',
    async (on) => {
      await start();
      await push();
      if (on === 'putManifest' || on === 'putUpload') {
        release = (await putRelease(local, { port: 8081, model: MODEL })).digest;
        registry.faults.add({ on, what: 'wrong-digest' });
        await expect(push()).rejects.toThrow(/took sha256:0{64} for sha256:|differ from their digest/);
        if (on === 'putUpload') await expectWhole(opened().store, false);
        await push();
      } else registry.faults.add({ on, times: 9, what: 'wrong-digest' });
      await pull();
      registry.faults.clear();
      await expectWhole(new LayoutStore(join(folder, 'pulled')), true);
      await expectWhole(opened().store, true);
    },
  );

  test('by a wrong digest for a name that people gave is told with what to look at', async () => {
    await start();
    await push();
    await opened().store.put((await local.get(release)) ?? Buffer.alloc(0), ['production']);
    registry.faults.add({ on: 'headManifest', what: 'wrong-digest' });
    const { store } = opened();
    const told = await store.resolve('production');
    const get = store.get(told ?? release);
    await expect(get).rejects.toThrow(MachineError);
    await expect(get).rejects.toThrow(
      `says that production is sha256:${'0'.repeat(64)}, and gives ${release} for it: the tag was moved at this moment, or something on the way answers for an older one. Run this again`,
    );
    expect(await opened().store.resolve('production')).toBe(release);
  });

  test.each(['shorter', 'longer', 'damage'] as const)(
    'by a manifest that is %s is refused by its digest',
    async (what) => {
      await start();
      await push();
      registry.faults.add({ on: 'getManifest', what });
      const wrong = pull();
      await expect(wrong).rejects.toThrow(UserError);
      await expect(wrong).rejects.toThrow(
        `the bytes differ from their digest (expected ${release}, found sha256:`,
      );
      expect([...(await new LayoutStore(join(folder, 'pulled')).names(''))]).toEqual([]);
      await pull();
      await expectWhole(new LayoutStore(join(folder, 'pulled')), true);
    },
  );

  test('by a tag that moves between HEAD and GET gives what it stood for', async () => {
    await start();
    await push();
    const first = release;
    release = (await putRelease(local, { port: 8081, model: MODEL })).digest;
    await push();
    await opened().store.put((await local.get(first)) ?? Buffer.alloc(0), ['production']);
    registry.faults.add({ on: 'headManifest', what: { moveTag: release } });
    const { store } = opened();
    const told = await store.resolve('production');
    expect(told).toBe(first);
    expect(await store.get(first)).toEqual(await local.get(first));
    expect(await opened().store.resolve('production')).toBe(release);
  });
});

describe('fault 30: a process that is killed after the blobs and before the manifest', () => {
  test.each([true, false])(
    'releases nothing; the next one does, and sends no blob again (referrers: %s)',
    async (referrers) => {
      await start({ referrers });
      registry.faults.add({ on: 'putManifest', times: 99, what: { delay: 400 } });
      const copying = await startCopying(join(folder, 'local'), registry.host, folder, [release]);
      copying.begin();
      const hex = release.slice(7, 19);
      while (!of('putManifest').some(({ path }) => path.endsWith(hex))) await sleep(10);
      copying.kill();
      expect(await copying.ended).toBe('SIGKILL');
      await sleep(600);
      await expectWhole(opened().store, false);
      expect(of('putManifest').filter(({ path, status }) => path.endsWith(hex) && status === 201)).toEqual(
        [],
      );
      registry.faults.clear();
      const before = uploaded();
      await push();
      expect(uploaded()).toBe(before);
      await expectWhole(opened().store, true);
    },
  );

  test('in the middle of a blob leaves nothing that could be taken for it', async () => {
    await start();
    registry.faults.add({ on: 'putUpload', nth: 6, what: { delay: 900 } });
    const copying = await startCopying(join(folder, 'local'), registry.host, folder, [release]);
    copying.begin();
    while (of('putUpload').length < 6) await sleep(10);
    copying.kill();
    await copying.ended;
    await expectWhole(opened().store, false);
    await push();
    await expectWhole(opened().store, true);
  });
});

describe('fault 31: two processes that release at once', () => {
  /** Both begin at the same moment. */
  async function race(...digests: readonly Digest[]): Promise<void> {
    const all = await Promise.all(
      digests.map((digest) => startCopying(join(folder, 'local'), registry.host, folder, [digest])),
    );
    for (const copying of all) copying.begin();
    expect(await Promise.all(all.map(({ ended }) => ended))).toEqual(digests.map(() => 0));
  }

  test.each([true, false])(
    'the same make one manifest for each digest (referrers: %s)',
    async (referrers) => {
      await start({ referrers });
      await race(release, release);
      const names = await opened().store.names('');
      expect(new Set(names.values()).size).toBe(names.size);
      expect([...names.values()].filter((digest) => digest === release)).toEqual([release]);
      await expectWhole(opened().store, true);
    },
  );

  test.each([true, false])(
    'differing ones are both found from what they stand on (referrers: %s)',
    async (referrers) => {
      await start({ referrers });
      const other = (await putRelease(local, { port: 8081, model: MODEL })).digest;
      const third = (await putRelease(local, { port: 8082, model: MODEL })).digest;
      await race(release, other, third);
      const { subject } = manifestOf((await local.get(release)) ?? Buffer.alloc(0), '');
      const children = await opened().store.children(subject?.digest ?? release);
      expect(new Set(children)).toEqual(new Set([release, other, third]));
      await expectWhole(opened().store, true);
      // What other tools look at may lack one that was written at the same moment, and is mended.
      await opened().store.repair();
      if (!referrers) {
        const path = `http://${registry.host}/v2/acme/digits/manifests/sha256-${subject?.digest.slice(7)}`;
        expect(JSON.stringify(await (await fetch(path)).json()).match(/sha256:[0-9a-f]{64}/g)?.length).toBe(
          3,
        );
      }
    },
  );
});
