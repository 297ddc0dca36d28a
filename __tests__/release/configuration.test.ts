import { describe, expect, test } from '@jest/globals';
import type { JsonObject } from '../../src/lib/json.ts';
import { problemsOf } from '../../src/release/problems.ts';
import { resolveConfig } from '../../src/release/resolve.ts';
import { readConfigSchema } from '../../src/release/schema.ts';
import { laidSchema } from '../../src/source/environment.ts';
import { parseYaml } from '../../src/source/yaml.ts';

const TARGET = 'target: {kind: process, port: 8081}\n';

/** What an environment's file comes to with a server's schema and GitHub's variables. */
function configure(text: string, schema?: JsonObject, vars: JsonObject = {}) {
  const file = { ...parseYaml('e.yml', TARGET + text, laidSchema), overlaid: [] };
  const declared = schema && readConfigSchema(schema);
  const config = resolveConfig(file, vars, declared);
  return {
    values: Object.fromEntries([...config].map(([key, { value }]) => [key, value])),
    problems: problemsOf(file, config, declared),
  };
}

describe('a credential', () => {
  const token = `ghp_${'a1'.repeat(18)}`;

  test.each([
    ['deep inside a value, after a line break', `{list: [1, {deep: "a\\n${token}"}]}`],
    ['in a key of a value', `{"${token}": true}`],
  ])('%s is seen', (_, value) => {
    const { problems } = configure(`config: {A: ${value}}`);
    expect(problems).toEqual([expect.stringMatching(/^e\.yml:2:13: A has the form of a GitHub token\. /)]);
  });
});

describe('a key that can’t be a setting', () => {
  const schema = {
    properties: { PORT: { default: 8000 }, 'log-level': { default: 'info' }, _OK: { default: 1 } },
  };

  test('is told with its origin, once', () => {
    expect(configure('', schema, { 'log-level': 'debug' }).problems).toEqual([
      "default: PORT, which the server's schema declares, needs another name: this variable is set by Trainyard or the machine; give the setting another name",
      "vars.log-level: log-level, which the server's schema declares, needs another name: the name of an environment variable: letters, digits, _",
    ]);
    expect(() => configure('config: {PORT: 1}', schema)).toThrow(
      /^e\.yml has mistakes: e\.yml:2:10: config\.PORT: this variable/,
    );
  });
});

describe('a secret', () => {
  const text = { type: 'string', writeOnly: true };
  const nothing = { type: 'null' };

  test.each<[string, JsonObject]>([
    ['anyOf', { anyOf: [text, nothing], default: null }],
    ['oneOf', { oneOf: [nothing, text], default: null }],
    ['allOf', { allOf: [{ allOf: [text] }], default: 'hush' }],
    ['$defs', { $ref: '#/$defs/key', default: 'hush' }],
    ['a reference to a reference', { anyOf: [{ $ref: '#/definitions/a~1b%20c' }, nothing], default: null }],
  ])('may be declared by %s', (_, K) => {
    const schema = {
      $defs: { key: text },
      definitions: { 'a/b c': { $ref: '#/$defs/key' } },
      properties: { K },
      additionalProperties: false,
    };
    expect(configure('secrets: [K]', schema, { K: 'hush' })).toEqual({ values: {}, problems: [] });
    expect(configure('config: {K: hush}', schema).problems).toEqual([
      'e.yml:2:13: K is a secret; take its value out of config, and list its name under secrets',
    ]);
  });

  test('is not what merely refers to nothing, or to itself', () => {
    const schema = {
      $defs: { tree: { anyOf: [{ $ref: '#/$defs/tree' }, nothing] } },
      properties: { K: { $ref: '#/$defs/tree' }, L: { enum: [{ writeOnly: true }] } },
    };
    expect(readConfigSchema(schema).isSecret('K')).toBe(false);
    expect(readConfigSchema(schema).isSecret('L')).toBe(false);
    for (const $ref of ['#/$defs/none', '#/$defs/%'])
      expect(() => readConfigSchema({ properties: { K: { $ref } } })).toThrow(/cannot be used/);
  });

  test('that the environment alone calls one gets no default', () => {
    const schema = { properties: { K: { type: 'string', default: 'open' } } };
    expect(configure('secrets: [K]', schema)).toEqual({ values: {}, problems: [] });
    expect(configure('', schema).values).toEqual({ K: 'open' });
  });

  test.each<[string, JsonObject]>([
    ['if', { if: { properties: { MODE: { const: 'test' } } }, else: { required: ['K'] } }],
    ['dependentRequired', { dependentRequired: { MODE: ['K'] } }],
    ['anyOf', { anyOf: [{ required: ['K'] }, { required: ['OTHER'] }] }],
    ['required', { required: ['K', 'L'] }],
  ])('that is needed by %s is so until it is listed', (_, rule) => {
    const schema = {
      properties: { MODE: { type: 'string' }, K: { minLength: 9, writeOnly: true }, L: { type: 'integer' } },
      ...rule,
    };
    const { problems } = configure('config: {MODE: live}', schema);
    expect(problems).toContain('e.yml:1:1: the server needs the secret K; list it under secrets');
    expect(configure('config: {MODE: live}\nsecrets: [K, L]', schema).problems).toEqual([]);
  });

  test('that stands in config as well is told as that alone', () => {
    const schema = {
      properties: { K: text, L: { $ref: '#/properties/M' }, M: { maxLength: 1 } },
      anyOf: [{ required: ['K'] }],
      propertyNames: { pattern: '^[A-Z]$' },
      additionalProperties: false,
    };
    const { problems } = configure('config: {K: hush, L: ab}', schema);
    expect(problems).toEqual([
      'e.yml:2:13: K is a secret; take its value out of config, and list its name under secrets',
      'e.yml:2:22: L must NOT have more than 1 characters (found "ab")',
    ]);
  });
});

test('a variable is what the schema of its key takes, as a value in the file would be', () => {
  const schema = {
    $defs: { share: { type: 'number' } },
    properties: {
      LIMIT: { anyOf: [{ type: 'integer' }, { type: 'null' }] },
      BITS: { enum: [8, 16] },
      SHARE: { $ref: '#/$defs/share' },
      NAME: { type: ['string', 'null'] },
    },
  };
  const vars = { LIMIT: '5', BITS: '8', SHARE: '0.5', NAME: '123' };
  expect(configure('', schema, vars)).toEqual({
    values: { LIMIT: 5, BITS: 8, SHARE: 0.5, NAME: '123' },
    problems: [],
  });
});
