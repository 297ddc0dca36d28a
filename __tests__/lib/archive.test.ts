import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { extractInto } from '../../src/lib/archive/extract.ts';
import { digestOf, VerifyingStream } from '../../src/lib/digest.ts';
import { listTree } from '../../src/lib/tree.ts';
import { descriptorOf, paxName, tar, tarEntry, zip } from '../support/archives.ts';
import { type Bench, openBench, RULES } from '../support/extraction.ts';

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.remove());

const LARGE = randomBytes(3 << 20);

/** The files below the folder, with the digests of their bytes. */
async function unpacked(): Promise<Map<string, string>> {
  const { files } = await listTree(bench.out);
  const read = files.map(
    async ({ path }) => [path, digestOf(await readFile(join(bench.out, path)))] as const,
  );
  return new Map(await Promise.all(read));
}

describe('a sound archive', () => {
  test('gives its files: small, empty, large, deep, executable, with names of any script', async () => {
    const files = {
      'a.txt': Buffer.from('small'),
      'deep/er/数据/ё.bin': LARGE,
      'deep/empty': Buffer.alloc(0),
      [`${'long'.repeat(20)}/${'name'.repeat(20)}`]: Buffer.from('long'),
    };
    const names = Object.entries(files);
    const digests = new Map(names.map(([name, data]) => [name, digestOf(data)]));
    const entries = names.map(([name, data]) => ({
      name,
      data,
      mode: 0o755,
      attributes: (0o100755 << 16) >>> 0,
    }));
    await bench.unpackTar(
      tar([{ name: 'deep/', type: '5' }, ...entries.flatMap((e) => [paxName(e.name), e])]),
    );
    expect(await unpacked()).toEqual(digests);
    expect((await lstat(join(bench.out, 'a.txt'))).mode & 0o777).toBe(0o755);
    await bench.remove();
    bench = await openBench();
    await bench.unpackZip(zip([{ name: 'deep/' }, ...entries.map((entry) => ({ ...entry, method: 8 }))]));
    expect(await unpacked()).toEqual(digests);
    expect((await lstat(join(bench.out, 'a.txt'))).mode & 0o777).toBe(0o755);
  });

  test('may be a zip whose sizes follow the files', async () => {
    const data = Buffer.from('streamed');
    const local = { crc: 0, size: 0 };
    await bench.unpackZip(
      zip([{ name: 'a', data, flags: 0x0808, local, after: descriptorOf(data) }, { name: 'b' }]),
    );
    expect(await unpacked()).toEqual(
      new Map([
        ['a', digestOf(data)],
        ['b', digestOf(Buffer.alloc(0))],
      ]),
    );
  });

  test('goes into a folder that is there and empty, and into no other', async () => {
    await mkdir(bench.out);
    await bench.unpackTar(tar([{ name: 'a' }]));
    await expect(bench.unpackTar(tar([{ name: 'b' }]))).rejects.toMatchObject({
      name: 'UserError',
      message: `${bench.out} is not empty: it holds a; remove what is in it`,
    });
    expect(await readdir(bench.root)).toEqual(['out']);
    expect(await readdir(bench.out)).toEqual(['a']);
  });
});

describe('several archives', () => {
  const shard = (n: number, files = 500): Readable =>
    Readable.from(
      (function* () {
        for (let i = 0; i < files; i++) yield tarEntry({ name: `s/${i % 10}/${n}-${i}`, data: `${n} ${i}` });
        yield Buffer.alloc(1024);
      })(),
    );
  const rules = { ...RULES, limits: { ...RULES.limits, entries: 10_000 } };

  test('make up one folder, at a time', async () => {
    const expected = new Map(
      [1, 2, 3, 4].flatMap((n) =>
        Array.from({ length: 500 }, (_, i) => [`s/${i % 10}/${n}-${i}`, `${n} ${i}`.length]),
      ),
    );
    await extractInto(bench.out, { ...rules, expected }, (into) =>
      Promise.all([1, 2, 3, 4].map((n) => into.tar(shard(n)))),
    );
    const { files } = await listTree(bench.out);
    expect(files).toHaveLength(2000);
    expect(await readFile(join(bench.out, 's/7/3-497'), 'utf8')).toBe('3 497');
  });

  test('may not have a name twice among them', async () => {
    await bench.expectRefusal(
      extractInto(bench.out, rules, (into) => Promise.all([into.tar(shard(1)), into.tar(shard(1))])),
      'is there twice',
    );
  });

  test('fail together, and those that still wait for bytes are ended', async () => {
    const waits = new Readable({ read() {} });
    const fails = Readable.from([tar([{ name: '../x' }])]);
    await bench.expectRefusal(
      extractInto(bench.out, rules, (into) => Promise.all([into.tar(waits), into.tar(fails)])),
      'leads out of its folder',
    );
    expect(waits.destroyed).toBe(true);
  });
});

describe('a stream that fails', () => {
  const whole = tar([
    { name: 'small', data: 'x' },
    { name: 'large', data: LARGE },
    { name: 'last', data: 'y' },
  ]);

  test.each([
    ['at once', 0],
    ['in a header', 1200],
    ['in a small file', 513],
    ['in a large file', 2 << 20],
    ['between two files', 1024],
    ['before its end', whole.length - 512],
  ])('%s, ends the work with its own error, and leaves nothing', async (_, bytes) => {
    const error = new Error('the network');
    const stream = Readable.from(
      (async function* () {
        for (let at = 0; at < bytes; at += 65_536) yield whole.subarray(at, Math.min(at + 65_536, bytes));
        throw error;
      })(),
    );
    await expect(extractInto(bench.out, RULES, (into) => into.tar(stream))).rejects.toBe(error);
    expect(await readdir(bench.root)).toEqual([]);
  });

  test('after its last byte, because that was not what the digest says', async () => {
    const verified = new VerifyingStream(digestOf(Buffer.from('other')), 'the store');
    const stream = Readable.from([whole]).pipe(verified);
    await expect(extractInto(bench.out, RULES, (into) => into.tar(stream))).rejects.toThrow(
      'the store: the bytes differ from their digest',
    );
    expect(await readdir(bench.root)).toEqual([]);
  });
});

test('a file that cannot be written is no fault of the archive', async () => {
  await writeFile(join(bench.root, 'file'), '');
  const work = extractInto(join(bench.root, 'file', 'out'), RULES, (into) =>
    into.tar(Readable.from([tar([])])),
  );
  await expect(work).rejects.toMatchObject({ code: 'ENOTDIR' });
});
