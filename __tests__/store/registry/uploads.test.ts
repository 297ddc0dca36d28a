import { randomBytes } from 'node:crypto';
import { appendFile, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Digest, digestOf } from '../../../src/lib/digest.ts';
import { MachineError, UserError } from '../../../src/lib/errors.ts';
import { readBytes } from '../../../src/store/records.ts';
import { refuseLargeManifest, refuseTooLarge } from '../../../src/store/registry/limits.ts';
import { Upload } from '../../../src/store/registry/upload.ts';
import { type Opened, openOn } from '../../support/registries.ts';
import { type Registry, type RegistryOptions, startRegistry } from '../../support/registry.ts';
import type { SeenRequest } from '../../support/registry-routes.ts';

const MB = 1_000_000;
const bytes = randomBytes(10 * MB);
const digest = digestOf(bytes);

let folder: string;
let file: string;
let registry: Registry;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'uploads-'));
  file = join(folder, 'file');
  await writeFile(file, bytes);
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
  return openOn(registry, folder, changes);
}

const of = (operation: string): SeenRequest[] =>
  registry.requests.filter((one) => one.operation === operation);
/** Bytes of bodies that came to the registry. */
const received = (): number => registry.requests.reduce((sum, { bytesIn }) => sum + bytesIn, 0);

async function holds(wanted: Digest, content: Buffer): Promise<void> {
  expect((await readBytes(openOn(registry, folder).store, wanted)).equals(content)).toBe(true);
}

test('a blob goes at once, and only when it is not there', async () => {
  const { store } = await start();
  await store.write({ file, how: 'copy' });
  expect(registry.requests.map(({ operation }) => operation)).toEqual([
    'headBlob',
    'startUpload',
    'putUpload',
  ]);
  await openOn(registry, folder).store.write({ file, how: 'copy' });
  expect(received()).toBe(bytes.length);
  await holds(digest, bytes);
});

describe('an upload that breaks off', () => {
  test.each(['absolute', 'relative'] as const)(
    'at 60 % goes on from there: only the rest is sent (Location %s)',
    async (locations) => {
      const { store, log, waited } = await start({ locations });
      registry.faults.add({ on: 'putUpload', what: { cutRequest: 6 * MB } });
      await store.write({ file, how: 'copy' });
      expect(received()).toBe(bytes.length);
      expect(of('patchUpload').map(({ bytesIn, headers }) => [bytesIn, headers['content-range']])).toEqual([
        [4 * MB, '6000000-9999999'],
      ]);
      expect([of('startUpload').length, waited.length]).toEqual([1, 1]);
      expect(log.warnings[0]).toMatch(/^the upload of [0-9a-f]{12} failed .*; attempt 2 of 5 in/);
      await holds(digest, bytes);
    },
  );

  test.each(['a file', 'bytes'])('is counted once in the progress that people see (%s)', async (what) => {
    const { store } = await start({ partialChunks: what === 'bytes' ? 'dropped' : 'kept' });
    registry.faults.add({ on: 'putUpload', what: { cutRequest: 6 * MB } });
    const counts: number[] = [];
    const progress = { moved: (count: number) => void counts.push(count), end: () => {} };
    const open = async (offset: number) => Readable.from([bytes.subarray(offset)]);
    const sending = { digest, size: bytes.length, place: 'here', open, ...(what === 'a file' && { file }) };
    await new Upload(store.client, sending, { progress, signal: new AbortController().signal }).run();
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(bytes.length);
  });

  test('again and again is not given up while it gets on', async () => {
    const { store } = await start();
    registry.faults.add({ on: 'putUpload', what: { cutRequest: MB } });
    registry.faults.add({ on: 'patchUpload', times: 8, what: { cutRequest: MB } });
    await store.write({ file, how: 'copy' });
    expect(received()).toBe(bytes.length);
    await holds(digest, bytes);
  });

  test('without getting on is given up after five attempts', async () => {
    const { store, waited } = await start();
    registry.faults.add({ on: 'putUpload', times: 99, what: 'reset' });
    registry.faults.add({ on: 'patchUpload', times: 99, what: 'reset' });
    const write = store.write({ file, how: 'copy' });
    await expect(write).rejects.toThrow(MachineError);
    await expect(write).rejects.toThrow(/^the upload of [0-9a-f]{12} does not succeed: .*run this again/);
    expect(waited.length).toBe(4);
    registry.faults.clear();
    await openOn(registry, folder).store.write({ file, how: 'copy' });
    await holds(digest, bytes);
  });

  test('and of which the registry kept nothing is sent from its beginning', async () => {
    const { store } = await start({ partialChunks: 'dropped' });
    registry.faults.add({ on: 'putUpload', what: { cutRequest: 6 * MB } });
    await store.write({ file, how: 'copy' });
    expect(of('startUpload').length).toBe(2);
    await holds(digest, bytes);
  });

  test('after its first byte, which the registry tells as if it had none, is right all the same', async () => {
    const { store } = await start();
    registry.faults.add({ on: 'putUpload', what: { cutRequest: 1 } });
    await store.write({ file, how: 'copy' });
    expect(of('startUpload').length).toBe(2);
    await holds(digest, bytes);
  });

  test('and that the registry has forgotten is begun anew', async () => {
    const { store } = await start();
    registry.faults.add({ on: 'putUpload', what: { cutRequest: 6 * MB } });
    registry.faults.add({ on: 'getUpload', what: 404 });
    await store.write({ file, how: 'copy' });
    expect([of('startUpload').length, received()]).toEqual([2, 16 * MB]);
    await holds(digest, bytes);
  });

  test('and whose answer is lost after the last byte is not sent again', async () => {
    const { store } = await start();
    registry.faults.add({ on: 'patchUpload', what: 'lose-answer' });
    registry.faults.add({ on: 'putUpload', what: { cutRequest: 6 * MB } });
    await store.write({ file, how: 'copy' });
    expect(received()).toBe(bytes.length);
    await holds(digest, bytes);
  });

  test('in a stream that cannot be read again goes on, too', async () => {
    const { store } = await start();
    registry.faults.add({ on: 'putUpload', what: { cutRequest: 6 * MB } });
    await store.write({ stream: Readable.from([bytes.subarray(0, MB), bytes.subarray(MB)]) }, digest);
    expect(received()).toBe(bytes.length);
    await holds(digest, bytes);
  });
});

describe('where a whole blob is too much at once', () => {
  test('it is sent in chunks, and so are later ones from the start', async () => {
    const { store } = await start({ maxBody: 5 * MB });
    await store.write({ file, how: 'copy' });
    const sizes = of('patchUpload').filter(({ status }) => status === 202);
    expect(sizes.map(({ bytesIn }) => bytesIn)).toEqual([4 * 2 ** 20, 4 * 2 ** 20, 10 * MB - 8 * 2 ** 20]);
    const puts = of('putUpload').length;
    const other = randomBytes(6 * MB);
    await store.write({ bytes: other });
    expect(of('putUpload').length).toBe(puts + 1);
    await holds(digest, bytes);
    await holds(digestOf(other), other);
  });

  test('the chunks have at least the size that the registry asks for', async () => {
    const { store } = await start({ maxBody: 7 * MB, minChunk: 6 * MB });
    await store.write({ file, how: 'copy' });
    const taken = of('patchUpload').filter(({ status }) => status === 202);
    expect(taken.map(({ bytesIn }) => bytesIn)).toEqual([6 * MB, 4 * MB]);
    await holds(digest, bytes);
  });

  test('a proxy that ends such connections without a word is found out', async () => {
    const { store } = await start();
    registry.faults.add({ on: 'putUpload', times: 2, what: { cutRequest: 1 } });
    await store.write({ file, how: 'copy' });
    expect(of('patchUpload').length).toBe(1);
    await holds(digest, bytes);
  });

  test('and no chunk is small enough, the error says what the registry says', async () => {
    const { store } = await start({ maxBody: 100_000 });
    const write = store.write({ file, how: 'copy' });
    await expect(write).rejects.toThrow(/answered 413 \(SIZE_INVALID a request may bring 100000 bytes\)/);
    expect(of('patchUpload').length).toBeLessThan(10);
  });
});

describe('a mount', () => {
  test('moves no bytes', async () => {
    const { store } = await start({}, { repository: 'acme/from' });
    const blob = await store.write({ file, how: 'copy' });
    expect(await openOn(registry, folder).store.take(store, blob)).toBe(true);
    expect(received()).toBe(bytes.length);
    await holds(digest, bytes);
  });

  test('that is not done leaves no upload open, and the caller moves the bytes', async () => {
    const { store } = await start({ mounts: false }, { repository: 'acme/from' });
    const blob = await store.write({ file, how: 'copy' });
    expect(await openOn(registry, folder).store.take(store, blob)).toBe(false);
    expect(of('cancelUpload').map(({ status }) => status)).toEqual([204]);
  });

  test('that is refused is no error: the caller moves the bytes', async () => {
    const { store } = await start({}, { repository: 'acme/from' });
    const blob = await store.write({ file, how: 'copy' });
    for (const what of [403, 404, 405, 400]) {
      registry.faults.add({ on: 'mountBlob', what });
      expect(await openOn(registry, folder).store.take(store, blob)).toBe(false);
    }
  });
});

describe('a file that changes while it is sent', () => {
  /** Changes the file between its hash and its upload. */
  async function changing(change: () => Promise<void>): Promise<Promise<unknown>> {
    const { store } = await start();
    registry.faults.add({ on: 'startUpload', what: { delay: 400 } });
    const write = store.write({ file, how: 'copy' });
    write.catch(() => {});
    for (let tries = 0; of('startUpload').length === 0 && tries < 500; tries++) await sleep(10);
    await change();
    return write;
  }

  test('and becomes shorter is told as that', async () => {
    const write = changing(() => truncate(file, 4 * MB));
    await expect(write).rejects.toThrow(UserError);
    await expect(write).rejects.toThrow(
      `${file} became shorter by 6000000 bytes while it was sent; run this again when nothing writes to it`,
    );
    expect(await openOn(registry, folder).store.has(digest)).toBe(false);
  });

  test('and becomes longer is kept as it was when it was hashed', async () => {
    await await changing(() => appendFile(file, 'more'));
    await holds(digest, bytes);
  });

  test('and is another one is refused by the registry, and told as that', async () => {
    const write = changing(() => writeFile(file, randomBytes(10 * MB)));
    await expect(write).rejects.toThrow(UserError);
    await expect(write).rejects.toThrow(
      `${file} changed while it was sent; run this again when nothing writes to it`,
    );
    expect(await openOn(registry, folder).store.has(digest)).toBe(false);
  });
});

test('a cancel in the middle of an upload ends it at once', async () => {
  const controller = new AbortController();
  const reason = new Error('cancelled');
  const { store } = await start({}, { signal: controller.signal });
  const content = async () =>
    Readable.from(
      (async function* () {
        yield bytes.subarray(0, MB);
        controller.abort(reason);
        await sleep(20_000, undefined, { ref: false });
      })(),
    );
  const begin = performance.now();
  await expect(store.write({ open: content, size: bytes.length }, digest)).rejects.toBe(reason);
  expect(performance.now() - begin).toBeLessThan(3000);
});

describe('what a registry would refuse after it was sent is refused before', () => {
  test('a file of more than 10 GB for GitHub’s registry', () => {
    expect(() => refuseTooLarge('ghcr.io', 10e9)).not.toThrow();
    const refuse = () => refuseTooLarge('ghcr.io', 10e9 + 1);
    expect(refuse).toThrow(UserError);
    expect(refuse).toThrow(
      /a file has 10 GB, and GitHub’s registry takes at most 10 GB in one.*max_shard_size/,
    );
    expect(() => refuseTooLarge('r.example', 400e9)).not.toThrow();
  });

  test('a record of more than 4 MiB', async () => {
    const { store } = await start();
    const annotations = { x: 'x'.repeat(4 * 2 ** 20) };
    const config = { mediaType: 'application/vnd.oci.empty.v1+json', digest, size: 1 };
    const mediaType = 'application/vnd.oci.image.manifest.v1+json';
    const record = { schemaVersion: 2, mediaType, config, layers: [], annotations };
    const put = store.put(Buffer.from(JSON.stringify(record)), ['x']);
    await expect(put).rejects.toThrow('a record of 4.2 MB is more than registries take (4 MiB)');
    expect(registry.requests).toEqual([]);
    expect(() => refuseLargeManifest(4 * 2 ** 20)).not.toThrow();
  });
});
