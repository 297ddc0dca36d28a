import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type FileHandle, mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { digestOf } from '../../../src/lib/digest.ts';
import { MachineError, UserError } from '../../../src/lib/errors.ts';
import { copyBlob } from '../../../src/store/copy.ts';
import { LayoutStore } from '../../../src/store/layout.ts';
import { readBytes } from '../../../src/store/records.ts';
import type { Store } from '../../../src/store/store.ts';
import { type Opened, openOn } from '../../support/registries.ts';
import { type Registry, type RegistryOptions, startRegistry } from '../../support/registry.ts';
import type { SeenRequest } from '../../support/registry-routes.ts';

const MB = 1_000_000;
/** As large as what is received in a thread. */
const bytes = randomBytes(9 * MB);
const digest = digestOf(bytes);
const blob = { digest, size: bytes.length };

let folder: string;
let registry: Registry;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'downloads-'));
});
afterEach(async () => {
  await registry.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(
  options: RegistryOptions = {},
  changes: Parameters<typeof openOn>[2] = {},
): Promise<Opened> {
  registry = await startRegistry(options);
  await openOn(registry, folder).store.write({ bytes });
  return openOn(registry, folder, changes);
}

const of = (operation: string): SeenRequest[] =>
  registry.requests.filter((one) => one.operation === operation);
const sent = (): number =>
  [...of('getBlob'), ...of('getRedirected')].reduce((sum, { bytesOut }) => sum + bytesOut, 0);

/** The two ways in which bytes come: as they flow, and into a file. */
const WAYS: readonly [string, (store: Store) => Promise<Buffer>][] = [
  ['as a stream', (store) => readBytes(store, digest)],
  [
    'into a folder',
    async (store) => {
      const to = new LayoutStore(join(folder, 'layout'));
      await copyBlob(store, to, blob);
      return readFile(to.pathOf(digest));
    },
  ],
];

describe.each(WAYS)('a blob that comes %s', (_, get) => {
  test('and breaks off is asked for from there on, and is right', async () => {
    const { store, waited } = await start();
    registry.faults.add({ on: 'getBlob', times: 3, what: { cutResponse: 2 * MB } });
    expect((await get(store)).equals(bytes)).toBe(true);
    const ranges = of('getBlob').map(({ headers }) => headers.range);
    expect(ranges.length).toBe(4);
    expect(ranges[0]).toBeUndefined();
    for (const range of ranges.slice(1)) expect(range).toMatch(/^bytes=\d{6,}-$/);
    // What came of the broken parts is not asked for again, but for what was under way.
    expect(sent()).toBeLessThan(bytes.length + 3 * MB);
    expect(waited.length).toBeLessThanOrEqual(3);
  });

  test('and breaks off where the registry knows no ranges is right', async () => {
    const { store } = await start({ ranges: false });
    registry.faults.add({ on: 'getBlob', times: 2, what: { cutResponse: 2 * MB } });
    expect((await get(store)).equals(bytes)).toBe(true);
  });

  test('from another host, and breaks off, is right', async () => {
    const { store } = await start({ redirect: {} });
    registry.faults.add({ on: 'getRedirected', times: 2, what: { cutResponse: 2 * MB } });
    expect((await get(store)).equals(bytes)).toBe(true);
    expect(of('getRedirected').map(({ headers }) => headers.authorization)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('from another host, by a URL that has ended meanwhile, asks for another one', async () => {
    let now = Date.now();
    const { store } = await start({ redirect: { lifetime: 60 }, now: () => now });
    registry.faults.add({ on: 'getRedirected', what: { cutResponse: 2 * MB } });
    registry.faults.add({ on: 'getRedirected', nth: 2, what: { delay: 10 } });
    const received = get(store);
    while (of('getRedirected').length === 0) await sleep(5);
    now += 61_000;
    expect((await received).equals(bytes)).toBe(true);
    expect(of('getBlob').length).toBe(2);
  });

  test('is tried again when the registry is busy, and given up with its words', async () => {
    const { store, waited } = await start();
    registry.faults.add({ on: 'getBlob', times: 2, what: { status: 429, retryAfter: 2 } });
    expect((await get(store)).equals(bytes)).toBe(true);
    expect(waited.slice(0, 2).every((time) => time >= 500)).toBe(true);
    registry.faults.add({ on: 'getBlob', times: 99, what: 503 });
    await rm(join(folder, 'layout'), { recursive: true, force: true });
    const failed = get(openOn(registry, folder).store);
    await expect(failed).rejects.toThrow(MachineError);
    await expect(failed).rejects.toThrow(/the download of [0-9a-f]{12} does not succeed: .*run this again/);
  });

  test.each(['damage', 'shorter', 'longer'] as const)(
    'and is not what its digest says is refused (%s)',
    async (what) => {
      const { store } = await start();
      registry.faults.add({ on: 'getBlob', times: 9, what });
      const received = get(store);
      await expect(received).rejects.toThrow(UserError);
      await expect(received).rejects.toThrow(
        `the bytes differ from their digest (expected ${digest}, found sha256:`,
      );
      expect(await new LayoutStore(join(folder, 'layout')).has(digest)).toBe(false);
      registry.faults.clear();
      expect((await get(openOn(registry, folder).store)).equals(bytes)).toBe(true);
    },
  );

  test('ends at once when the job is cancelled', async () => {
    const controller = new AbortController();
    const { store } = await start({}, { signal: controller.signal });
    registry.faults.add({ on: 'getBlob', what: { stallResponse: 5 * MB } });
    const begin = performance.now();
    setTimeout(() => controller.abort(new Error('cancelled')), 300);
    await expect(get(store)).rejects.toThrow('cancelled');
    expect(performance.now() - begin).toBeLessThan(5000);
    expect(await new LayoutStore(join(folder, 'layout')).has(digest)).toBe(false);
  });
});

test('a blob in a folder is on the disk before it has its name, so that a machine that fails leaves no part of one', async () => {
  const { store } = await start();
  const file = await open(import.meta.filename);
  const handle: FileHandle = Object.getPrototypeOf(file);
  await file.close();
  const to = new LayoutStore(join(folder, 'layout'));
  const named: boolean[] = [];
  const { datasync } = handle;
  const spy = jest.spyOn(handle, 'datasync').mockImplementation(async function (this: FileHandle) {
    named.push(existsSync(to.pathOf(digest)));
    return datasync.call(this);
  });
  await copyBlob(store, to, blob).finally(() => spy.mockRestore());
  expect(named).toEqual([false]);
});

test('a stream that nobody reads to its end lets go of its connection', async () => {
  const { store } = await start();
  for (let n = 0; n < 20; n++) {
    const stream = await store.read(digest);
    await new Promise((resolve) => stream.once('readable', resolve));
    stream.destroy();
  }
  expect((await readBytes(store, digest)).equals(bytes)).toBe(true);
});

test('a part is asked for as one, and cut out where the registry knows no ranges', async () => {
  for (const ranges of [true, false]) {
    const { store } = await start({ ranges });
    expect((await store.peek(digest, 5 * MB, 100)).equals(bytes.subarray(5 * MB, 5 * MB + 100))).toBe(true);
    if (ranges) expect(sent()).toBe(100);
    if (ranges) await registry.close();
  }
});
