import { describe, expect, test } from '@jest/globals';
import { differenceOf } from '../../src/deploy/compare.ts';
import { percentile } from '../../src/deploy/golden.ts';

describe('differenceOf', () => {
  const same: [unknown, unknown][] = [
    [1, 1.00009],
    [-200, -200.01],
    [0, 1e-10],
    [1e-12, 3e-12],
    ['a', 'a'],
    [null, null],
    [{ a: [1, { b: true }] }, { a: [1.00001, { b: true, more: 1 }], more: 2 }],
    [[], []],
  ];
  test.each(same)('%j is answered by %j', (expected, found) => {
    expect(differenceOf(JSON.parse(JSON.stringify(expected)), found, 1e-4)).toBeUndefined();
  });

  const other: [unknown, unknown, string][] = [
    [1, 1.0002, 'the body: expected 1, answered 1.0002'],
    [0, 1e-6, 'the body: expected 0, answered 0.000001'],
    [1, '1', 'the body: expected 1, answered 1'],
    [1, null, 'the body: expected 1, answered null'],
    [{ a: 1 }, [1], 'the body: expected {"a":1}, answered [1]'],
    [{ a: { b: [1, 2] } }, { a: { b: [1, 3] } }, 'a.b[1]: expected 2, answered 3'],
    [{ a: [1, 2] }, { a: [1] }, 'a: expected 2 elements, answered 1'],
    [{ a: 1, b: 2 }, { a: 1 }, 'b: expected 2, and it is missing'],
    [{ toString: 1 }, {}, 'toString: expected 1, and it is missing'],
    [{ a: 'x' }, 'no JSON', 'the body: expected {"a":"x"}, answered no JSON'],
  ];
  test.each(other)('%j is not answered by %j', (expected, found, difference) => {
    expect(differenceOf(JSON.parse(JSON.stringify(expected)), found, 1e-4)).toBe(difference);
  });

  test('a tolerance of 0 takes the same number only', () => {
    expect(differenceOf(0.1, 0.1, 0)).toBeUndefined();
    expect(differenceOf(0.1, 0.1 + 1e-16, 0)).toBeDefined();
  });

  test('long values are cut', () => {
    expect(differenceOf('x'.repeat(500), 'y', 0)?.length).toBeLessThan(180);
  });
});

test('percentile: the nearest rank', () => {
  const values = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect([percentile(values, 0.5), percentile(values, 0.95), percentile([7], 0.95)]).toEqual([50, 95, 7]);
});
