import { describe, expect, test } from '@jest/globals';
import { Progress } from '../../../src/train/metrics/progress.ts';

/** Tells of lines at given seconds; gives what was told last. */
function told(
  params: ConstructorParameters<typeof Progress>[0],
  lines: readonly (readonly [second: number, step: number, values: Readonly<Record<string, number>>])[],
  total?: number,
): string | undefined {
  let now = 0;
  const progress = new Progress(params, () => now);
  return lines
    .map(([second, step, values]) => {
      now = second * 1000;
      return progress.tell({ step, values: Object.entries(values), nonFinite: [], problem: '' }, total);
    })
    .at(-1);
}

describe('a line of the log', () => {
  const loss = { loss: 0.123456 };
  test('tells steps a second, and the time left where a total is known', () => {
    const lines = [
      [0, 0, loss],
      [10, 40, loss],
    ] as const;
    expect(told({}, lines)).toBe('step 40 loss 0.1235 (4 steps/s)');
    expect(told({ steps: 100 }, lines)).toBe('step 40/100 loss 0.1235 (4 steps/s, 15 s left)');
    expect(told({ steps: 100 }, lines, 2440)).toBe('step 40/2440 loss 0.1235 (4 steps/s, 10 min left)');
  });

  test('is silent about what is not known: a total that was passed, epochs without a count of them', () => {
    expect(
      told({ steps: 30 }, [
        [0, 20, loss],
        [10, 40, loss],
      ]),
    ).toBe('step 40 loss 0.1235 (2 steps/s)');
    expect(
      told({ epochs: 50 }, [
        [0, 20, loss],
        [10, 40, loss],
      ]),
    ).toBe('step 40 loss 0.1235 (2 steps/s)');
    expect(
      told({ epochs: 4 }, [
        [0, 20, { epoch: 1 }],
        [10, 40, { epoch: 2 }],
      ]),
    ).toBe('step 40 epoch 2 (2 steps/s, 20 s left)');
    expect(
      told({}, [
        [0, 20, loss],
        [10, 20, loss],
      ]),
    ).toBe('step 20 loss 0.1235');
    expect(told({}, [[0, 20, {}]])).toBeUndefined();
  });

  test('knows the rate of the last minute, and begins anew with steps that do', () => {
    const fast = Array.from({ length: 20 }, (_, i) => [i * 10, i * 100, loss] as const);
    expect(told({}, [...fast, [250, 1960, loss], [300, 2010, loss]])).toBe(
      'step 2010 loss 0.1235 (1 steps/s)',
    );
    expect(told({}, [...fast, [200, 0, loss], [210, 5, loss]])).toBe('step 5 loss 0.1235 (0.5 steps/s)');
  });

  test('is one short line, losses first', () => {
    const values = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`m${i}\n`, i]));
    expect(told({}, [[0, 1, { ...values, train_loss: 3 }]])).toBe(
      'step 1 train_loss 3 m0  0 m1  1 m2  2 m3  3 m4  4 m5  5 m6  6 and 5 more',
    );
  });
});
