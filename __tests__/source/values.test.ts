import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { json } from '../../src/lib/json.ts';
import { strict } from '../../src/lib/strict.ts';
import { duration, memory } from '../../src/lib/units.ts';
import { command } from '../../src/source/command.ts';
import { parseYaml } from '../../src/source/yaml.ts';

const words = (given: unknown): unknown => {
  const parsed = command.safeParse(given);
  return parsed.success ? parsed.data : parsed.error.issues[0]?.message;
};

describe('a command', () => {
  test.each([
    ['python train.py', ['python', 'train.py']],
    ['  python\ttrain.py\n--x  ', ['python', 'train.py', '--x']],
    [`sh -c 'a && b' "c d"`, ['sh', '-c', 'a && b', 'c d']],
    [`--name="a b"'c d' "" ''`, ['--name=a bc d', '', '']],
    [`"it's"`, ["it's"]],
    ['a ">" b', ['a', '>', 'b']],
    ['$HOME $(x) `y` *.py ~', ['$HOME', '$(x)', '`y`', '*.py', '~']],
    [
      ['python', 'a b', '>', '"'],
      ['python', 'a b', '>', '"'],
    ],
  ])('%j is split without a shell', (given, found) => {
    expect(words(given)).toEqual(found);
  });

  test.each([
    ['a && b', '"&&" needs a shell, and there is none: put the steps into a script of your own and call it'],
    [
      'a | tee log',
      '"|" needs a shell, and there is none: put the steps into a script of your own and call it',
    ],
    ['a "b', 'a quote is not closed'],
    ["it's", 'a quote is not closed'],
    ['   ', 'a command must name a program'],
    [7, 'a command: a string, or a list of strings'],
  ])('%j is refused', (given, said) => {
    expect(words(given)).toBe(said);
  });
});

describe('units', () => {
  test.each([
    ['90s', 90],
    ['30m', 1800],
    ['1h30m', 5400],
    ['2d', 172_800],
  ])('%s is %i seconds', (text, seconds) => {
    expect(duration.parse(text)).toBe(seconds);
  });

  test.each(['', '2', '2 h', '2H', '-1s', '1.5h', '0s', '0h0m', 90])('%j is no duration', (text) => {
    expect(duration.safeParse(text).success).toBe(false);
  });

  test.each([
    ['512MiB', 512 * 2 ** 20],
    ['24GiB', 24 * 2 ** 30],
    ['1TiB', 2 ** 40],
  ])('%s is %i bytes', (text, bytes) => {
    expect(memory.parse(text)).toBe(bytes);
  });

  test.each(['', '24', '24GB', '24 GiB', '1.5GiB', '1GiB1MiB'])('%j is no amount of memory', (text) => {
    expect(memory.safeParse(text).success).toBe(false);
  });
});

describe('a YAML file', () => {
  const schema = strict({
    a: z.number(),
    list: z.array(strict({ b: z.string() })).default([]),
    free: z.record(z.string(), json).default({}),
  });
  const parse = (text: string) => parseYaml('f.yml', text, schema);

  test('knows where its values stand, or the nearest thing around them', () => {
    const { value, place } = parse('\uFEFFa: 1 # one\nlist:\n  - {b: x}\n  - b:  y\nfree: {k: {deep: 1}}\n');
    expect(value.list).toEqual([{ b: 'x' }, { b: 'y' }]);
    expect(place(['a'])).toBe('f.yml:1:4');
    expect(place(['list', 1, 'b'])).toBe('f.yml:4:9');
    expect(place(['list', 1, 'missing'])).toBe('f.yml:4:5');
    expect(place(['free', 'k', 'deep'])).toBe('f.yml:5:18');
    expect(place(['nothing', 'at', 'all'])).toBe('f.yml:1:1');
  });

  test('reads anchors, and JSON as well', () => {
    expect(parse('a: &x 1\nfree: {y: *x}').value.free).toEqual({ y: 1 });
    expect(parse('{"a": 1, "list": [{"b": "c"}]}').value.list).toEqual([{ b: 'c' }]);
    expect(() => parse('{"a": 1,\n "list": [{"b": 2}]}')).toThrow(
      'f.yml has mistakes: f.yml:2:17: list.0.b: expected string, received number',
    );
  });

  test('has its mistakes told in their order, missing keys as such', () => {
    expect(() => parse('list:\n  - {c: 1}\nzed: 1\nfree: {k: .nan}\n')).toThrow(
      [
        'f.yml has mistakes:',
        '  - f.yml:1:1: a: missing; expected number',
        '  - f.yml:2:5: list.0.b: missing; expected string',
        '  - f.yml:2:6: list.0: unknown key "c"; allowed are b',
        '  - f.yml:3:1: unknown key "zed"; allowed are a, list, free',
        '  - f.yml:4:11: free.k: a JSON value; .nan and .inf are none',
      ].join('\n'),
    );
  });

  test('has what is no JSON told where it stands, deep inside a value too', () => {
    expect(() => parse('a: 1\nfree:\n  k: [x, {b: .nan, c: [1, .inf]}]\n  l: .nan\n')).toThrow(
      [
        'f.yml has mistakes:',
        '  - f.yml:3:14: free.k.1.b: a JSON value; .nan and .inf are none',
        '  - f.yml:3:27: free.k.1.c.1: a JSON value; .nan and .inf are none',
        '  - f.yml:4:6: free.l: a JSON value; .nan and .inf are none',
      ].join('\n'),
    );
  });

  test('may not hold itself', () => {
    const said = 'the alias *x stands in what it names, and would have no end; write out what is meant';
    expect(() => parse('a: 1\nfree: {k: &x [1, *x]}\n')).toThrow(`f.yml is not YAML: f.yml:2:18: ${said}`);
    expect(() => parse('a: 1\nfree: {k: &x {b: [*x]}}\n')).toThrow(`f.yml is not YAML: f.yml:2:19: ${said}`);
    expect(parse('a: 1\nfree: {k: &x [&x 1, *x]}\n').value.free).toEqual({ k: [1, 1] });
  });

  test.each([
    ['a: 1\na: 2\n', /^f\.yml is not YAML: f\.yml:2:1: Map keys must be unique$/],
    [
      'a: 175928847299117063\n',
      /^f\.yml is not YAML: f\.yml:1:4: the number 175928847299117063 would become 175928847299117060; write that, or put it into quotes$/,
    ],
    ['a: 0xffffffffffffffff\n', /the number 0xffffffffffffffff would become 18446744073709552000/],
    ['a: 1\nfree: {zip: 01234}\n', /f\.yml:2:13: the number 01234 would become 1234; write that/],
    ['a: [1\n', /^f\.yml is not YAML: f\.yml:2:1: /],
    ['a: 1\n--- \na: 2\n', /^f\.yml is not YAML: f\.yml:/],
    ['a: *nowhere\n', /^f\.yml (is not YAML|cannot be read)/],
    [
      `a: 1\nfree: {l0: &l0 [x, x]${Array.from({ length: 9 }, (_, i) => `, l${i + 1}: &l${i + 1} [${Array(9).fill(`*l${i}`).join(', ')}]`).join('')}}\n`,
      /^f\.yml cannot be read: too many aliases/,
    ],
    ['[1, 2]', /^f\.yml has mistakes: f\.yml:1:1: expected object, received array$/],
    ['', /^f\.yml has mistakes: f\.yml:1:1: expected object, received null$/],
    ['1: x\na: 1\n', /f\.yml/],
  ])('%j is refused', (text, said) => {
    expect(() => parse(text)).toThrow(said);
  });
});
