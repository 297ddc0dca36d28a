import { describe, expect, test } from '@jest/globals';
import { expand } from '../../src/lib/expand.ts';

const values = { 'params.rate': '0.1', output: '/o u t', params: ['--rate=0.1', '--seed=7'] };

describe('expand', () => {
  test('puts texts into arguments, and a list in the place of a whole one', () => {
    const argv = ['train', '${params}', '--to=${output}/${params.rate}', '${output}', '$5', '{x}'];
    expect(expand(argv, values, 'trainer.command')).toEqual([
      'train',
      '--rate=0.1',
      '--seed=7',
      '--to=/o u t/0.1',
      '/o u t',
      '$5',
      '{x}',
    ]);
  });

  test('reads an expanded text never again', () => {
    const hostile = { a: '${b}', b: '$& $1 "; touch PWN #\n`x`', toString: 'own' };
    expect(expand(['${a}', '${b}', '${toString}'], hostile, 'c')).toEqual(['${b}', hostile.b, 'own']);
  });

  test('names everything unknown at once, with what is known', () => {
    expect(() => expand(['${nope}', 'x${params}', '${constructor}'], values, 'trainer.command')).toThrow(
      /trainer.command cannot be expanded:\n.*\$\{nope\} is not known; known are: \$\{params.rate\}, \$\{output\}, \$\{params\}\n.*an argument of its own.*\n.*\$\{constructor\} is not known/,
    );
  });
});
