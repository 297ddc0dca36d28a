import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  digestOf,
  digestOfFile,
  HashingStream,
  hexOf,
  parseDigest,
  VerifyingStream,
} from '../../src/lib/digest.ts';
import { messageOf, UserError, userErrors } from '../../src/lib/errors.ts';
import { readIfThere, writeWhole } from '../../src/lib/files.ts';
import { byBytes, canonicalBytes, digestOfJson } from '../../src/lib/json.ts';

const ABC = 'sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-lib-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a digest', () => {
  test('is that of bytes, of a file, and of what flows', async () => {
    expect(digestOf(Buffer.from('abc'))).toBe(ABC);
    await writeFile(join(folder, 'file'), 'abc');
    let told = 0;
    expect(await digestOfFile(join(folder, 'file'), (count) => (told += count))).toEqual({
      digest: ABC,
      size: 3,
    });
    expect(told).toBe(3);
    const stream = new HashingStream();
    expect(() => stream.blob).toThrow('the stream has not ended');
    expect(await text(Readable.from([Buffer.from('a'), Buffer.from('bc')]).pipe(stream))).toBe('abc');
    expect(stream.blob).toEqual({ digest: ABC, size: 3 });
    expect(hexOf(parseDigest(ABC, 'x'), 12)).toBe('ba7816bf8f01');
  });

  test.each([
    '',
    'abc',
    'sha256:',
    ABC.toUpperCase(),
    `${ABC}0`,
    ` ${ABC}`,
    `${ABC}\n`,
    ABC.replace('256', '512'),
  ])('is not %j', (found) => {
    expect(() => parseDigest(found, 'input run')).toThrow(
      `input run is ${JSON.stringify(found)}, not a digest`,
    );
  });

  test('that differs ends the stream before its end is seen', async () => {
    const good = Readable.from([Buffer.from('abc')]).pipe(new VerifyingStream(ABC, 'place'));
    expect((await buffer(good)).toString()).toBe('abc');
    const bad = Readable.from([Buffer.from('abd')]).pipe(new VerifyingStream(ABC, '/srv/yard/x'));
    await expect(buffer(bad)).rejects.toThrow(
      /^\/srv\/yard\/x: the bytes differ from their digest \(expected sha256:ba78\w+, found sha256:\w+\)/,
    );
  });
});

test('JSON has one canonical form (RFC 8785)', () => {
  const value = { b: [1.0, 1e21, -0, 'é\n'], a: { z: null, y: true } };
  expect(canonicalBytes(value).toString()).toBe('{"a":{"y":true,"z":null},"b":[1,1e+21,0,"é\\n"]}');
  expect(digestOfJson({ a: 1, b: 2 })).toBe(digestOfJson({ b: 2, a: 1 }));
  expect(() => canonicalBytes(undefined)).toThrow(TypeError);
  expect(() => canonicalBytes({ a: Number.NaN })).toThrow();
  expect(['b', 'é', 'Z', '\u{1F600}', '\uFFFD'].toSorted(byBytes)).toEqual([
    'Z',
    'b',
    'é',
    '\uFFFD',
    '\u{1F600}',
  ]);
});

describe('a file that is written whole', () => {
  test('replaces another, with its mode, and leaves nothing aside', async () => {
    const path = join(folder, 'deep', 'file');
    await writeWhole(path, 'one');
    await writeWhole(path, Buffer.from('two'), 0o600);
    expect(await readIfThere(path)).toBe('two');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, 'deep'))).toEqual(['file']);
  });

  test('that cannot be, leaves nothing either', async () => {
    await writeWhole(join(folder, 'taken', 'inside'), 'x');
    await expect(writeWhole(join(folder, 'taken'), 'y')).rejects.toThrow(/EISDIR|ENOTEMPTY|EEXIST/);
    expect(await readdir(folder)).toEqual(['taken']);
    expect(await readIfThere(join(folder, 'nothing'))).toBeUndefined();
  });
});

describe('errors', () => {
  test('are one line with all causes; several are a list', () => {
    expect(messageOf(new UserError('a', { cause: new Error('b', { cause: 'c' }) }))).toBe('a (b (c))');
    expect(userErrors('title', ['one']).message).toBe('title: one');
    expect(userErrors('title', ['one', 'two']).message).toBe('title:\n  - one\n  - two');
  });
});
