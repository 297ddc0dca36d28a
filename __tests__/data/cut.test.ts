import { describe, expect, test } from '@jest/globals';
import { cut, type Part } from '../../src/data/cut.ts';
import type { ScannedFile } from '../../src/data/scan.ts';
import { byBytes } from '../../src/lib/json.ts';

const MiB = 2 ** 20;
const file = (path: string, size: number): ScannedFile => ({
  path,
  size,
  stamp: `${path} ${size}`,
  isSettled: true,
});
const setOf = (count: number, sizeOf: (i: number) => number): ScannedFile[] =>
  Array.from({ length: count }, (_, i) => file(`${i % 97}/${i}.bin`, sizeOf(i))).sort((a, b) =>
    byBytes(a.path, b.path),
  );
const shardsOf = (files: readonly ScannedFile[]): Part[] => cut(files).filter(({ kind }) => kind === 'shard');
const bytesOf = ({ files }: Part): number => files.reduce((sum, { size }) => sum + size, 0);
const keyOf = ({ files }: Part): string => files.map(({ stamp }) => stamp).join();
/** How many parts of the second are not in the first. */
const fresh = (before: readonly ScannedFile[], after: readonly ScannedFile[]): number => {
  const known = new Set(cut(before).map(keyOf));
  return cut(after).filter((part) => !known.has(keyOf(part))).length;
};

/** 8.5 GB in 100,000 files, and 1.7 GB in 20,000. */
const large = setOf(100_000, (i) => 45_000 + ((i * 7919) % 80_000));
const usual = large.slice(0, 20_000);

describe('the parts of a data set', () => {
  test('are shards of about 64 MiB, or smaller ones where there would be few', () => {
    const sizes = shardsOf(large).slice(0, -1).map(bytesOf);
    expect(Math.min(...sizes)).toBeGreaterThan(40 * MiB);
    expect(Math.max(...sizes)).toBeLessThan(80 * MiB);
    expect(sizes.reduce((sum, size) => sum + size, 0) / sizes.length / MiB).toBeCloseTo(64, -1);
    const few = shardsOf(usual);
    expect(few.length).toBeGreaterThan(64);
    expect(Math.max(...few.map(bytesOf))).toBeLessThan(20 * MiB);
  });

  test('hold every file once, in the order of the paths', () => {
    expect(cut(usual).flatMap(({ files }) => files)).toEqual(usual);
  });

  test('a large file is one of its own, and does not move the others', () => {
    const with32 = [...usual, file('zz', 32 * MiB)];
    expect(cut(with32).at(-1)).toEqual({ kind: 'file', files: [file('zz', 32 * MiB)] });
    expect(fresh(usual, with32)).toBe(1);
    expect(cut([...usual, file('zz', 32 * MiB - 1)]).at(-1)?.kind).toBe('shard');
  });

  test.each([1, 5_003, 9_999, 15_000, 19_990])(
    'a file that changes (%i) changes one part or two',
    (index) => {
      const changed = usual.map((it, i) => (i === index ? file(it.path, it.size + 1000) : it));
      expect(fresh(usual, changed)).toBeGreaterThan(0);
      expect(fresh(usual, changed)).toBeLessThanOrEqual(2);
    },
  );

  test('a file that comes or goes changes one part or two, almost always', () => {
    const counts = Array.from({ length: 12 }, (_, i) => 37 + i * 1637).flatMap((at) => {
      const before = usual[at]?.path ?? '';
      const more = [...usual.slice(0, at + 1), file(`${before}.new`, 90_000), ...usual.slice(at + 1)];
      return [fresh(usual, more), fresh(more, usual)];
    });
    expect(counts.filter((count) => count <= 2).length).toBeGreaterThanOrEqual(22);
    expect(Math.max(...counts)).toBeLessThan(12);
  });

  test('files that are larger than a shard should be, or empty, are packed too', () => {
    const odd = setOf(30, (i) => (i % 3 === 0 ? 31 * MiB : 0));
    expect(cut(odd).flatMap(({ files }) => files)).toEqual(odd);
    expect(cut([file('empty', 0)])).toEqual([{ kind: 'shard', files: [file('empty', 0)] }]);
  });
});
