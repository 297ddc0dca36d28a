import { describe, expect, test } from '@jest/globals';
import { optionalAmount, optionalDuration } from '../../src/github/amounts.ts';
import {
  mapping,
  optionalCommit,
  optionalDigest,
  optionalText,
  readInputs,
  requiredDigest,
  requiredText,
} from '../../src/github/inputs.ts';

const readers = {
  project: requiredText,
  note: optionalText,
  run: requiredDigest,
  server: optionalDigest,
  params: mapping,
};
const DIGEST = `sha256:${'a'.repeat(64)}`;

const read = (texts: Readonly<Record<string, string>>) =>
  readInputs(readers, (name) => new Map(Object.entries(texts)).get(name) ?? '');

describe('inputs', () => {
  test('become their types; what is optional may be missing', () => {
    expect(read({ project: '.', run: DIGEST, params: 'a: 1\nb: [x, null]' })).toEqual({
      project: '.',
      note: undefined,
      run: DIGEST,
      server: undefined,
      params: { a: 1, b: ['x', null] },
    });
    expect(read({ project: '.', run: DIGEST, note: 'x', server: DIGEST }).params).toEqual({});
  });

  test('that are bad are told all at once', () => {
    expect(() => read({ run: 'sha256:abc', server: `SHA256:${'a'.repeat(64)}`, params: '{' })).toThrow(
      /^the inputs cannot be used:\n {2}- input project is required\n {2}- input run is "sha256:abc", not a digest: .*\n {2}- input server is "SHA256:a+", not a digest.*\n {2}- input params is neither JSON nor YAML \([^\n]+\)$/,
    );
  });

  test.each(['- a', '3', 'text', '[{"a": 1}]', 'a: .inf', 'a: &x [*x]'])(
    'a mapping is none: %j',
    (params) => {
      expect(() => mapping(params, 'params')).toThrow(
        'input params must be a mapping of names to values, as JSON or YAML',
      );
    },
  );

  test('a mapping is JSON as GitHub writes it, or as people do, and has no key twice', () => {
    const vars = { A: 'x\ny', B: '1', __proto__: { C: 1 } };
    for (const text of [
      JSON.stringify(vars),
      JSON.stringify(vars, null, 2),
      `${JSON.stringify(vars, null, 2)}\n`,
      '{A: "x\\ny", B: "1"}',
    ])
      expect(mapping(text, 'vars')).toEqual({ A: 'x\ny', B: '1' });
    for (const text of ['{"A": 1, "A": 2}', '{"A":1,"A":2}', 'A: 1\nA: 2'])
      expect(() => mapping(text, 'vars')).toThrow('input vars is neither JSON nor YAML');
  });

  test('a mapping of countless levels is refused before it is read', () => {
    expect(() => mapping(`a: ${'['.repeat(20_000)}`, 'params')).toThrow(
      'input params has more than 50 levels',
    );
  });

  test.each(['"; touch PWN #', 'a\nEOF\nb', '::add-path::/evil', '${{ secrets.X }}'])(
    'a text is never more than a text: %j',
    (text) => {
      expect(read({ project: text, run: DIGEST }).project).toBe(text);
      expect(() => read({ project: text, run: text })).toThrow(
        `input run is ${JSON.stringify(text)}, not a digest`,
      );
    },
  );

  test('durations are seconds, amounts are numbers, commits are whole; what is empty is not set', () => {
    expect(optionalDuration('4h30m', 'x')).toBe(16_200);
    expect(optionalAmount('2.5', 'x')).toBe(2.5);
    expect(optionalCommit('a'.repeat(40), 'x')).toBe('a'.repeat(40));
    expect([optionalDuration('', 'x'), optionalAmount('', 'x'), optionalCommit('', 'x')]).toEqual(
      Array(3).fill(undefined),
    );
    for (const text of ['4', '4 h', '-1h', '0s', '1.5h'])
      expect(() => optionalDuration(text, 'time-budget')).toThrow(
        `input time-budget is ${JSON.stringify(text)}; give a duration such as 90s, 30m or 4h30m`,
      );
    for (const text of ['2,5', '-1', '$2', '1e3'])
      expect(() => optionalAmount(text, 'price-per-hour')).toThrow('give a number such as 2.5');
    expect(() => optionalCommit('main', 'commit')).toThrow('give a whole commit id');
  });

  test('a fault of ours is not taken for a bad input', () => {
    const broken = {
      x: (): never => {
        throw new TypeError('ours');
      },
    };
    expect(() => readInputs(broken, () => '')).toThrow(TypeError);
  });
});
