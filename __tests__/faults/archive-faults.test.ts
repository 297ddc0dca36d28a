/** Archives that mean harm, or were damaged: every one is refused whole, and the folder is free for the next. */
import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  descriptorOf,
  paxName,
  type TarEntry,
  tar,
  tarEntry,
  type ZipEntry,
  zip,
} from '../support/archives.ts';
import { type Bench, openBench, RULES } from '../support/extraction.ts';

const MiB = 2 ** 20;
const MODE = { link: 0o120777, pipe: 0o010644, device: 0o020644 };

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench.remove());

/** Both kinds of archive with these files are refused for this reason. */
async function expectBothRefused(
  files: readonly { name: string; data?: string }[],
  why: string,
): Promise<void> {
  const long = ({ name, data = '' }: { name: string; data?: string }): TarEntry[] =>
    Buffer.byteLength(name) > 100 || name.includes('\0')
      ? [paxName(name), { name: 'short', data }]
      : [{ name, data }];
  await bench.expectRefusal(bench.unpackTar(tar(files.flatMap(long))), why);
  await bench.expectRefusal(bench.unpackZip(zip(files)), why);
}

describe('names that are not those of one file below the folder', () => {
  test.each([
    ['../../.bashrc', 'leads out of its folder'],
    ['a/../../b', 'leads out of its folder'],
    ['a/..', 'leads out of its folder'],
    ['a//b', 'has a name with an empty part'],
    ['./a', 'has a name with an empty part'],
  ])('fault 9: %s', (name, why) =>
    expectBothRefused(
      [
        { name: 'fine', data: 'x' },
        { name, data: 'x' },
      ],
      why,
    ),
  );

  test.each([
    ['/etc/x', 'has an absolute name'],
    ['C:\\x', 'has a backslash in its name'],
    ['C:/x', 'has an absolute name'],
    ['c:x', 'has an absolute name'],
    ['a\\..\\..\\b', 'has a backslash in its name'],
    ['a\0b', 'has a control character in its name'],
    ['a\nb', 'has a control character in its name'],
    ['a\u007fb', 'has a control character in its name'],
    [`${'n'.repeat(256)}/x`, 'has a name with a part of more than 255 bytes'],
    ['a/con', 'has the name con, which is a device on Windows'],
    ['LPT1.txt/x', 'has the name LPT1.txt, which is a device on Windows'],
    ['a./x', 'ends in a dot or space'],
  ])('fault 10: %j', (name, why) => expectBothRefused([{ name }], why));

  test('fault 10: a name that is not UTF-8, or has two readings', async () => {
    const name = Buffer.from([0x61, 0xff]);
    await bench.expectRefusal(bench.unpackTar(tar([{ name }])), 'has a name that is not UTF-8');
    await bench.expectRefusal(bench.unpackZip(zip([{ name }])), 'has a name that is not UTF-8');
    await bench.expectRefusal(
      bench.unpackZip(zip([{ name: 'ü', flags: 0 }])),
      'has a name that is not UTF-8',
    );
    const extra = Buffer.from('757008000100000000616263', 'hex').subarray(0, 12);
    extra.writeUInt16LE(0x7075, 0);
    await bench.expectRefusal(bench.unpackZip(zip([{ name: 'a', extra }])), 'has two names');
  });

  test('fault 10: a long name is told in part', async () => {
    const name = `/${'n'.repeat(10_000)}`;
    await expect(bench.unpackTar(tar([paxName(name), { name: 'x' }]))).rejects.toThrow(/^.{200,400}$/);
  });
});

describe('what is no file', () => {
  test.each([
    ['2', 'symbolic link'],
    ['1', 'hard link'],
    ['6', 'named pipe'],
    ['3', 'device'],
    ['4', 'device'],
    ['7', 'kind that is not known'],
    ['S', 'kind that is not known'],
  ])('fault 11: in a tar, of type %s (%s), and a file below it', async (type, kind) => {
    const outside = join(bench.root, 'outside');
    await mkdir(outside);
    const link = type === '1' ? 'fine' : outside;
    const entries = [
      { name: 'fine', data: 'x' },
      { name: 'd', type, link },
      { name: 'd/x', data: 'x' },
    ];
    await expect(bench.unpackTar(tar(entries))).rejects.toThrow(kind);
    expect(await readdir(outside)).toEqual([]);
    await rm(outside, { recursive: true });
    await bench.expectRefusal(bench.unpackTar(tar(entries)), kind);
  });

  test.each(Object.entries(MODE))('fault 11: in a zip, a %s', async (_, mode) => {
    const attributes = (mode << 16) >>> 0;
    await bench.expectRefusal(
      bench.unpackZip(zip([{ name: 'd', attributes, data: '/tmp' }, { name: 'd/x' }])),
      'no plain file',
    );
  });

  test('fault 11: setuid and owner are not taken', async () => {
    const attributes = (0o104755 << 16) >>> 0;
    await bench.unpackZip(zip([{ name: 'zip', attributes }]));
    expect((await lstat(join(bench.out, 'zip'))).mode & 0o7777).toBe(0o755);
    await rm(bench.out, { recursive: true });
    await bench.unpackTar(tar([{ name: 'tar', mode: 0o6777 }]));
    expect((await lstat(join(bench.out, 'tar'))).mode & 0o7777).toBe(0o755);
  });
});

describe('names that two entries have', () => {
  test.each([
    [['a', 'a'], 'is there twice'],
    [['lib/A.py', 'lib/a.py'], 'are one name'],
    [['Straße', 'STRASSE'], 'are one name'],
    [['caf\u00e9', 'cafe\u0301'], 'are one name'],
    [['a', 'a/b'], 'is a file and a folder'],
    [['a/b', 'a'], 'is a file and a folder'],
    [['A/b', 'a'], 'is a file and a folder'],
  ])('fault 12: %j', (names, why) =>
    expectBothRefused(
      names.map((name) => ({ name })),
      why,
    ),
  );

  test('fault 12: one file in the places of two, and hidden files', async () => {
    const two: ZipEntry[] = [
      { name: 'a', data: 'x' },
      { name: 'b', data: 'x' },
    ];
    const overlapping = two.map((entry) => ({ ...entry, offset: 0 }));
    await bench.expectRefusal(bench.unpackZip(zip(overlapping)), 'is not described in the same way');
    await bench.expectRefusal(
      bench.unpackZip(zip(two, 1)),
      'what follows the entries of its directory is not its end',
    );
    await bench.expectRefusal(
      bench.unpackZip(Buffer.concat([zip(two), zip(two)])),
      'what follows the entries of its directory is not its end',
    );
    await bench.expectRefusal(
      bench.unpackZip(zip([{ name: 'a', after: zip(two) }])),
      'is not described in the same way',
    );
  });
});

describe('bombs', () => {
  test('fault 13: ten megabytes that become ten gigabytes', async () => {
    const limits = { ...RULES.limits, bytes: 2 ** 40, fileBytes: 2 ** 40 };
    const zeros = Buffer.alloc(10 * MiB);
    await bench.expectRefusal(
      bench.unpackZip(zip([{ name: 'zeros', data: zeros, method: 8 }]), { limits }),
      '; one byte may become 100',
    );
    // A zip that says less than it holds.
    const lie = { name: 'zeros', data: zeros, method: 8, size: 1000 };
    await bench.expectRefusal(bench.unpackZip(zip([lie])), 'it is not a sound zip');
    await bench.expectRefusal(
      bench.unpackZip(zip([{ ...lie, size: 20 * MiB }]), { limits: { ...limits, ratio: 1e9 } }),
      'sound zip',
    );
  });

  test('fault 13: a file, and files together, above the limits', async () => {
    const limits = { entries: 10, bytes: 2500, fileBytes: 1000, ratio: 100 };
    const file = (name: string, size: number) => ({ name, data: Buffer.alloc(size, name) });
    for (const [make, unpack] of [[tar, bench.unpackTar] as const, [zip, bench.unpackZip] as const]) {
      await bench.expectRefusal(
        unpack(make([file('a', 1001)]), { limits }),
        'has 1001 bytes; a file may have 1000',
      );
      const three = ['a', 'b', 'c'].map((name) => file(name, 1000));
      await bench.expectRefusal(
        unpack(make(three), { limits }),
        '"c" is one too many: all files together may have 2500 bytes',
      );
    }
  });

  test('fault 13: a million entries', async () => {
    const limits = { ...RULES.limits, entries: 100_000 };
    let made = 0;
    const many = function* (): Generator<Buffer> {
      for (; made < 1_000_000; made++) yield tarEntry({ name: `f${made}` });
    };
    const work = bench.unpackTar(many(), { limits: { ...limits, entries: 5000 } });
    await bench.expectRefusal(work, 'it has 5001 entries; 5000 are allowed');
    expect(made).toBeLessThan(6000);
    await bench.expectRefusal(
      bench.unpackZip(zip([], 65_535), { limits: { ...limits, entries: 60_000 } }),
      'it has 65535 entries',
    );
    await bench.expectRefusal(bench.unpackZip(zip([], 1000)), 'it is not a sound zip');
  });

  test('fault 13: an archive in an archive stays a file', async () => {
    const inner = zip([{ name: '../x', data: Buffer.alloc(MiB), method: 8 }]);
    await bench.unpackZip(zip([{ name: 'inner.zip', data: inner }]));
    expect(await readdir(bench.out)).toEqual(['inner.zip']);
  });
});

describe('archives that contradict themselves', () => {
  const file: ZipEntry = { name: 'model.pt', data: 'weights' };
  test.each([
    ['another name', { ...file, local: { name: 'model.pT' } }, 'is not described in the same way'],
    ['another size', { ...file, local: { size: 8 } }, 'is not described in the same way'],
    ['another CRC', { ...file, local: { crc: 1 } }, 'is not described in the same way'],
    ['another method', { ...file, local: { method: 8 } }, 'is not described in the same way'],
    ['other flags', { ...file, local: { flags: 0 } }, 'is not described in the same way'],
    ['bytes behind it', { ...file, after: Buffer.from('hidden') }, 'is not described in the same way'],
    ['no descriptor', { ...file, flags: 0x0808 }, 'is not described in the same way'],
    [
      'a descriptor of something else',
      { ...file, flags: 0x0808, after: descriptorOf(Buffer.from('weights'), 1) },
      'is not described in the same way',
    ],
    ['a CRC that is wrong everywhere', { ...file, crc: 1 }, 'differs from its CRC'],
    ['encryption', { ...file, flags: 0x0801, method: 8 }, 'is encrypted'],
    ['strong encryption', { ...file, flags: 0x0841 }, 'it is not a sound zip'],
    ['masked headers', { ...file, flags: 0x2800 }, 'is encrypted'],
    ['patches', { ...file, flags: 0x0820 }, 'has flags that are not known'],
    ['another compression', { ...file, method: 12 }, 'is compressed by method 12'],
    ['a folder with content', { ...file, name: 'd/' }, 'is a folder with content'],
  ] satisfies [string, ZipEntry, string][])('fault 14: %s', (_, entry, why) =>
    bench.expectRefusal(bench.unpackZip(zip([entry])), why),
  );

  test('fault 14: bytes before the zip, a header checksum, what is no archive at all', async () => {
    await bench.expectRefusal(
      bench.unpackZip(Buffer.concat([Buffer.from('#!/bin/sh\n'), zip([file])])),
      'it is not a sound zip',
    );
    await bench.expectRefusal(bench.unpackZip(Buffer.from('not a zip')), 'it is not a sound zip');
    const damaged = tar([{ name: 'a', data: 'x' }]);
    damaged[0] = 0x62;
    await bench.expectRefusal(bench.unpackTar(damaged), 'it is not a tar');
    await bench.expectRefusal(bench.unpackTar(Buffer.alloc(0)), 'its end is missing');
  });
});
