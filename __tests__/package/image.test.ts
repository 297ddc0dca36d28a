import { chmod, copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { extract } from 'tar-stream';
import { type Digest, digestOf, hexOf } from '../../src/lib/digest.ts';
import { checkImageStore, putImage } from '../../src/package/image.ts';
import { modelFile } from '../../src/package/layers.ts';
import { tarOf } from '../../src/package/tar.ts';
import type { Stored } from '../../src/records/kind.ts';
import { modelPackage } from '../../src/records/package.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getManifest, putRecord } from '../../src/store/records.ts';
import { recordingLog } from '../support/log.ts';

let root: string;
let store: LayoutStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trainyard-image-'));
  store = new LayoutStore(join(root, 'yard'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function putPackage(): Promise<Stored<unknown>> {
  const layers = [
    modelFile('weight', await store.write({ bytes: Buffer.from('weights') }), 'w/model.onnx'),
    modelFile('weight.config', await store.write({ bytes: Buffer.from('{}') }), 'config.json'),
    modelFile('doc', await store.write({ bytes: Buffer.from('# Toy') }), 'README.md'),
  ];
  const modelfs = { type: 'layers' as const, diffIds: layers.map(({ digest }) => digest) };
  const config = { descriptor: { name: 'toy' }, config: {}, modelfs };
  return putRecord(store, modelPackage, { config, layers });
}

async function layersOf(image: Digest): Promise<readonly Digest[]> {
  const index = JSON.parse(Buffer.from((await store.get(image)) ?? []).toString());
  const found = await getManifest(store, index.manifests[0].digest);
  return (found?.manifest.layers ?? []).map(({ digest }) => digest);
}

describe('an image', () => {
  test('is made once: what is whole is found by its name, and read no more', async () => {
    const packaged = await putPackage();
    const log = recordingLog();
    const image = await putImage(store, store, packaged, log);
    expect(log.lines).toEqual([
      'making w/model.onnx (7 B) into a layer of the image',
      'making config.json (2 B) into a layer of the image',
    ]);
    expect(await putImage(store, store, packaged, log)).toBe(image);
    expect(log.lines).toHaveLength(2);
    expect(await store.resolve(`image-${hexOf(packaged.digest, 12)}`)).toBe(image);
  });

  test('of which a layer is gone is made again, the same', async () => {
    const packaged = await putPackage();
    const image = await putImage(store, store, packaged, recordingLog());
    const [first = image] = await layersOf(image);
    await rm(store.pathOf(first));
    expect(await putImage(store, store, packaged, recordingLog())).toBe(image);
    expect(await store.has(first)).toBe(true);
  });

  test('under whose name somebody put the image of another package is not taken for it', async () => {
    const packaged = await putPackage();
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const other = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: [] }));
    await store.put(other, [`image-${hexOf(packaged.digest, 12)}`]);
    const image = await putImage(store, store, packaged, recordingLog());
    expect(image).not.toBe(digestOf(other));
    expect(await layersOf(image)).toHaveLength(2);
  });

  test('is refused where nothing could pull it', () => {
    expect(() => checkImageStore(new LayoutStore(root, 'artifact:'), 'trainyard.yml:3:4')).toThrow(
      /^trainyard\.yml:3:4: model\.image asks for a container image, and nothing can pull one from artifact:; name another store/,
    );
  });

  test('is not made of weights that were replaced', async () => {
    const packaged = await putPackage();
    const from = new LayoutStore(join(root, 'other'));
    const { digest = packaged.digest } = packaged.manifest.layers[0] ?? {};
    await from.write({ bytes: Buffer.from('damaged') });
    await copyFile(from.pathOf(digestOf(Buffer.from('damaged'))), from.pathOf(digest));
    await chmod(from.pathOf(digest), 0o644);
    await expect(putImage(store, from, packaged, recordingLog())).rejects.toThrow(
      /the bytes differ from their digest/,
    );
    expect([...(await store.names('image-')).keys()]).toEqual([]);
  });
});

describe('the tar of a file', () => {
  const nine = 9 * 2 ** 30;
  /** Bytes without an end, of which a reader takes what it wants. */
  const zeros = async () =>
    new Readable({
      highWaterMark: 1 << 20,
      read() {
        this.push(Buffer.alloc(1 << 20));
      },
    });

  test('has folders and the file, owned by nobody at no time', async () => {
    const headers: object[] = [];
    const entries = extract();
    Readable.from(tarOf('models/a/b.txt', 2, async () => Readable.from([Buffer.from('hi')]))).pipe(entries);
    for await (const entry of entries) {
      const { name, mode, uid, gid, size, type, mtime } = entry.header;
      headers.push([name, type, mode, uid, gid, size, mtime?.getTime()]);
      entry.resume();
    }
    expect(headers).toEqual([
      ['models/', 'directory', 0o755, 0, 0, 0, 0],
      ['models/a/', 'directory', 0o755, 0, 0, 0, 0],
      ['models/a/b.txt', 'file', 0o644, 0, 0, 2, 0],
    ]);
  });

  test('says sizes above 8 GiB, and is not held in memory', async () => {
    const entries = extract();
    const tar = Readable.from(tarOf('models/m', nine, zeros));
    tar.pipe(entries);
    entries.on('error', () => {});
    for await (const entry of entries) {
      if (entry.header.type === 'directory') {
        entry.resume();
        continue;
      }
      expect(entry.header.size).toBe(nine);
      break;
    }
    expect(tar.readableLength).toBeLessThan(32);
    tar.destroy();
  });

  test.each([
    ['shorter', 'hi'],
    ['longer', 'high above'],
  ])('fails of content that is %s than its size', async (_, text) => {
    const read = async (): Promise<void> => {
      for await (const _chunk of tarOf('m', 5, async () => Readable.from([Buffer.from(text)])));
    };
    await expect(read()).rejects.toThrow(/Size mismatch/);
  });
});
