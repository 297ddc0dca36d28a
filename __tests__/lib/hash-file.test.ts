import {
  appendFileSync,
  closeSync,
  linkSync,
  openSync,
  renameSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf, digestOfFile } from '../../src/lib/digest.ts';
import { hashFile, hashFiles } from '../../src/lib/hash-file.ts';
import { inParallel } from '../../src/lib/in-parallel.ts';
import { refusalOf } from '../support/workshop.ts';

const LARGE = 9 * 2 ** 20;

let folder: string;
let large: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hash-'));
  large = join(folder, 'large');
  await writeFile(large, Buffer.alloc(LARGE, 'weights'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Writes where the reader has been. */
function overwrite(): void {
  const file = openSync(large, 'r+');
  writeSync(file, 'changed', 0);
  closeSync(file);
}

const small = (): string => {
  const path = join(folder, 'small');
  writeFileSync(path, 'a few bytes');
  return path;
};

describe('a file is hashed', () => {
  test('in a thread as it is here, and told of in steps', async () => {
    const told: number[] = [];
    expect(await digestOfFile(large, (count) => told.push(count))).toEqual({
      digest: digestOf(Buffer.alloc(LARGE, 'weights')),
      size: LARGE,
    });
    expect(told.length).toBeGreaterThan(1);
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(LARGE);
  });

  test('while it is copied, and the copy holds the same bytes', async () => {
    for (const [i, path] of [large, small()].entries()) {
      const to = join(folder, `copy-${i}`);
      const { hex, size } = await hashFile(path, { to });
      const copy = await readFile(to);
      expect([`sha256:${hex}`, size]).toEqual([digestOf(copy), copy.length]);
      expect(copy.equals(await readFile(path))).toBe(true);
    }
  });

  test('with many others, in their order', async () => {
    const files = await Promise.all(
      Array.from({ length: 600 }, async (_, i) => {
        const path = join(folder, `file-${i}`);
        const bytes = Buffer.alloc(i % 50 === 0 ? LARGE / 4 : i, String(i));
        await writeFile(path, bytes);
        return { path, size: bytes.length, digest: digestOf(bytes) };
      }),
    );
    const found = await hashFiles(files);
    expect(found.map(({ hex, size }) => [`sha256:${hex}`, size])).toEqual(
      files.map(({ digest, size }) => [digest, size]),
    );
  });

  test('however often its names change meanwhile', async () => {
    truncateSync(large, 2 ** 28);
    const { hex } = await hashFile(large);
    const again = await hashFile(large, {
      onBytes: () => linkSync(large, join(folder, `name-${Math.random()}`)),
    });
    expect(again.hex).toBe(hex);
    expect((await stat(large)).nlink).toBeGreaterThan(20);
  });
});

describe('it fails', () => {
  test('with the code of the system’s error, wherever it is read', async () => {
    for (const size of [1, LARGE])
      await expect(hashFiles([{ path: join(folder, 'absent'), size }])).rejects.toMatchObject({
        code: 'ENOENT',
        message: expect.stringContaining('absent'),
      });
    await expect(hashFile(large, { to: large })).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(hashFile(large, { to: '/dev/full/x' })).rejects.toMatchObject({ code: 'ENOTDIR' });
  });

  test('when whoever waits has had enough, and the next one is hashed as before', async () => {
    const enough = new Error('enough');
    const stop = (): void => {
      throw enough;
    };
    await expect(hashFile(large, { onBytes: stop })).rejects.toBe(enough);
    await expect(hashFile(small(), { onBytes: stop })).rejects.toBe(enough);
    expect((await hashFile(large)).size).toBe(LARGE);
  });

  test.each([
    ['grows', () => appendFileSync(large, 'more')],
    ['shrinks', () => truncateSync(large, 2 ** 27)],
    ['is written to', overwrite],
    [
      'is written to by somebody who puts the time back',
      () => {
        overwrite();
        utimesSync(large, 1e9, 1e9);
      },
    ],
    ['is replaced', () => renameSync(small(), large)],
  ])('when the file %s meanwhile', async (_, change) => {
    truncateSync(large, 2 ** 28);
    utimesSync(large, 1e9, 1e9);
    let isFirst = true;
    const onBytes = (): void => {
      if (isFirst) change();
      isFirst = false;
    };
    expect(await refusalOf(hashFile(large, { onBytes }).then(({ hex }) => hex))).toBe(
      `${large} changed while it was read; wait until whatever writes it has ended, and run this again`,
    );
  });
});

test('of what is done at the same time, the first failure is told when the rest has ended, and nothing more begins', async () => {
  const begun: number[] = [];
  let ended = 0;
  const work = async (i: number): Promise<number> => {
    begun.push(i);
    await new Promise((done) => setTimeout(done, i === 1 ? 5 : 30));
    ended += 1;
    if (i <= 1) throw new Error(`number ${i}`);
    return i;
  };
  await expect(inParallel([0, 1, 2, 3, 4, 5], 3, work)).rejects.toThrow('number 1');
  expect([begun, ended]).toEqual([[0, 1, 2], 3]);
  expect(await inParallel([5, 4, 3, 2], 3, work)).toEqual([5, 4, 3, 2]);
  expect(await readdir(folder)).toEqual(['large']);
});
