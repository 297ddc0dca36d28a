/** What happens to files and disks while a model is packed: the error names the cause, and nothing that stays can be taken for whole. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Blob } from '../../src/lib/digest.ts';
import { OUTPUT_LAYER } from '../../src/records/run.ts';
import { copyBlob } from '../../src/store/copy.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { collectOutputs } from '../../src/train/collect.ts';
import { NODE } from '../support/step.ts';
import { refusalOf } from '../support/workshop.ts';

/** Enough for a writer to come in between, and next to nothing on the disk. */
const SIZE = 2 ** 28;

let root: string;
let model: string;
let store: LayoutStore;
let writer: ChildProcess | undefined;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'packing-'));
  model = join(root, 'outputs', 'model.safetensors');
  store = new LayoutStore(join(root, 'yard'));
  await mkdir(join(root, 'outputs'));
  await writeFile(model, 'weights');
  await truncate(model, SIZE);
});
afterEach(async () => {
  await endWriter();
  await rm(root, { recursive: true, force: true });
});

/** Appends to a file that it has opened once and for all, as a training program does that goes on writing. */
async function startWriter(file: string): Promise<void> {
  writer = spawn('sh', ['-c', 'exec 3>>"$1"; while :; do echo more >&3; done', 'sh', file]);
  const { size } = await stat(file);
  while ((await stat(file)).size === size) await new Promise((done) => setTimeout(done, 5));
}

async function endWriter(): Promise<void> {
  if (writer?.kill('SIGKILL') === true) await once(writer, 'exit');
  writer = undefined;
}

const blobs = (folder = store.location): Promise<string[]> => readdir(join(folder, 'blobs', 'sha256'));
const changed = (path: string): string =>
  `${path} changed while it was read; wait until whatever writes it has ended, and run this again`;

describe('fault 27: a file that grows while it is packed is refused, nothing of it is kept, and later it is taken', () => {
  test('when it is the user’s own', async () => {
    await startWriter(model);
    expect(await refusalOf(store.write({ file: model, how: 'copy' }))).toBe(changed(model));
    expect(await blobs()).toEqual([]);
    await endWriter();
    const { size } = await store.write({ file: model, how: 'copy' });
    expect(size).toBe((await stat(model)).size);
  });

  test('when it is an output of a training, among others', async () => {
    const output = join(root, 'outputs');
    await writeFile(join(output, 'tokenizer.json'), '{}');
    await startWriter(model);
    expect(await refusalOf(collectOutputs(store, output))).toBe(changed(model));
    expect((await blobs()).filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual([]);
    expect(await readdir(output)).toContain('model.safetensors');
    await endWriter();
    const layers = await collectOutputs(store, output);
    expect(layers.at(0)).toMatchObject({
      mediaType: OUTPUT_LAYER,
      annotations: { 'org.opencontainers.image.title': 'model.safetensors' },
    });
  });

  test('when it lies in the hand-off, and what is in the store already stays', async () => {
    const handoff = new LayoutStore(join(root, 'handoff'));
    const blob = await handoff.write({ file: model, how: 'move' });
    const path = handoff.pathOf(blob.digest);
    await chmod(path, 0o644);
    await startWriter(path);
    expect(await refusalOf(copyBlob(handoff, store, blob))).toBe(changed(path));
    expect(await blobs()).toEqual([]);
    await endWriter();
    // It is another file now, which its digest tells.
    expect(await refusalOf(copyBlob(handoff, store, blob))).toMatch(/the bytes differ from their digest/);
    await chmod(path, 0o644);
    await truncate(path, SIZE);
    await copyBlob(handoff, store, blob);
    expect(await blobs()).toEqual([blob.digest.slice('sha256:'.length)]);
  });
});

describe('fault 37: a disk that is full', () => {
  /** Writes the model into the store in a process that may not write files of more than 8 MB, and gives what it printed. */
  async function writeWithLimit(content: string): Promise<string> {
    const code = `
const { LayoutStore } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/store/layout.ts'))});
const { createReadStream } = await import('node:fs');
const { messageOf } = await import(${JSON.stringify(join(import.meta.dirname, '../../src/lib/errors.ts'))});
await new LayoutStore(${JSON.stringify(store.location)}).write(${content}).then(
  ({ size }) => console.log(size),
  (error) => console.log(error.name, messageOf(error)),
);`;
    const args = ['-c', 'ulimit -f 8192; exec "$@"', 'bash', NODE, '--input-type=module', '-e', code];
    const child = spawn('bash', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    return text(child.stdout);
  }

  test.each([
    ['copied', (file: string) => `{ file: ${file}, how: 'copy' }`],
    ['streamed', (file: string) => `{ stream: createReadStream(${file}) }`],
  ])('is named where a file is %s, and nothing of it stays', async (_, contentOf) => {
    const content = contentOf(JSON.stringify(model));
    expect(await writeWithLimit(content)).toMatch(
      new RegExp(
        `^MachineError the store in ${store.location} cannot be written to; make room on its disk, and run this again \\(EFBIG`,
      ),
    );
    expect(await blobs()).toEqual([]);
    await truncate(model, 2 ** 20);
    expect(await writeWithLimit(content)).toBe(`${2 ** 20}\n`);
  });
});

describe('a file on another disk than the store', () => {
  let elsewhere: string;
  beforeEach(async () => {
    elsewhere = await mkdtemp('/dev/shm/packing-');
    await truncate(model, 2 ** 23);
  });
  afterEach(() => rm(elsewhere, { recursive: true, force: true }));

  test('is copied, and is gone where it was if it was ours', async () => {
    const far = new LayoutStore(elsewhere);
    expect((await stat(elsewhere)).dev).not.toBe((await stat(root)).dev);
    const taken: Blob[] = [];
    taken.push(await far.write({ file: model, how: 'link' }));
    taken.push(await far.write({ file: model, how: 'copy' }));
    const bytes = await readFile(model);
    for (const { digest } of taken) expect((await readFile(far.pathOf(digest))).equals(bytes)).toBe(true);
    expect((await stat(model)).mode & 0o200).toBe(0o200);
    taken.push(await far.write({ file: model, how: 'move' }));
    expect(new Set(taken.map(({ digest }) => digest)).size).toBe(1);
    expect((await blobs(elsewhere)).length).toBe(1);
    await expect(stat(model)).rejects.toThrow('ENOENT');
    const [{ digest, size } = { digest: 'sha256:' as const, size: 0 }] = taken;
    await copyBlob(far, store, { digest, size });
    expect((await readFile(store.pathOf(digest))).equals(bytes)).toBe(true);
  });

  test('that is not what was expected stays where it is, there as here', async () => {
    const { digest } = await store.write({ bytes: Buffer.from('something else') });
    for (const place of [elsewhere, join(root, 'other')])
      for (const how of ['move', 'copy', 'link'] as const) {
        const refusal = await refusalOf(new LayoutStore(place).write({ file: model, how }, digest));
        expect(refusal).toMatch(/model\.safetensors: the bytes differ from their digest/);
        expect(await blobs(place)).toEqual([]);
        expect((await stat(model)).size).toBe(2 ** 23);
      }
  });
});
