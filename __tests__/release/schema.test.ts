import { describe, expect, test } from '@jest/globals';
import type { Json, JsonObject } from '../../src/lib/json.ts';
import { readConfigSchema } from '../../src/release/schema.ts';

describe('a configuration schema', () => {
  test('may hold any JSON Schema as a property', () => {
    const schema = readConfigSchema({
      type: 'object',
      properties: {
        ANY: true,
        NULLABLE: { type: ['string', 'null'] },
        CHOICE: { oneOf: [{ const: 1 }, { const: 2 }], default: 1 },
        KEY: { writeOnly: true },
      },
      required: ['ANY', 'KEY'],
    });
    expect(schema.closed).toBe(false);
    expect(schema.isSecret('KEY')).toBe(true);
    expect(schema.isSecret('constructor')).toBe(false);
    expect(schema.declared.CHOICE?.default).toBe(1);
    expect(schema.validate({ ANY: {}, NULLABLE: null, CHOICE: 2, KEY: 'any' })).toEqual([]);
    expect(schema.validate({ NULLABLE: 'x' })).toEqual([
      { key: 'ANY', message: 'is required and has no value' },
      { key: 'KEY', message: 'is required and has no value' },
    ]);
  });

  test('may be a reference to what declares it, as generators write it', () => {
    const named = {
      properties: { API_KEY: { type: 'string', minLength: 40, writeOnly: true }, LEVEL: { default: 'low' } },
      required: ['API_KEY'],
      additionalProperties: false,
    };
    const schema = readConfigSchema({
      $schema: 'x',
      $ref: '#/$defs/One',
      $defs: { One: { $ref: '#/$defs/Two' }, Two: named },
    });
    expect([schema.closed, schema.isSecret('API_KEY'), schema.declared.LEVEL?.default]).toEqual([
      true,
      true,
      'low',
    ]);
    expect(schema.validate({ API_KEY: 'a secret' })).toEqual([]);
    expect(schema.validate({ OTHER: 1 }).map(({ key }) => key)).toEqual(['API_KEY', 'OTHER']);
  });

  const KEY = { properties: { API_KEY: { writeOnly: true } } };
  test.each<JsonObject>([
    { allOf: [KEY] },
    { properties: { A: {} }, $ref: '#/$defs/S', $defs: { S: KEY } },
    { if: false, else: { anyOf: [KEY] } },
    { dependentSchemas: { A: KEY } },
  ])('tells of properties that its top does not declare: %j', (schema) => {
    expect(() => readConfigSchema(schema)).toThrow(
      /: API_KEY stands in a part of it; declare it under properties/,
    );
    expect(
      readConfigSchema({ ...schema, properties: { A: {}, ...KEY.properties } }).isSecret('API_KEY'),
    ).toBe(true);
  });

  test('checks formats, and names the key of a mistake deep inside', () => {
    const schema = readConfigSchema({
      properties: { URL: { format: 'uri' }, LIST: { items: { type: 'integer' } } },
    });
    expect(schema.validate({ URL: 'https://example.com', LIST: [1] })).toEqual([]);
    expect(schema.validate({ URL: 'no', LIST: [1, 'x'] })).toEqual([
      { key: 'URL', message: 'must match format "uri"' },
      { key: 'LIST', message: 'must be integer' },
    ]);
  });

  test('tells what is missing inside a value by the key of that value, and takes no value where none may be', () => {
    const schema = readConfigSchema({
      properties: { DB: { type: 'object', required: ['host'], additionalProperties: false }, NEVER: false },
    });
    expect(schema.validate({ DB: { port: 1 }, NEVER: 1 })).toEqual([
      { key: 'DB', message: "must have required property 'host'" },
      { key: 'DB', message: 'must NOT have additional properties' },
      { key: 'NEVER', message: 'must NOT be valid' },
    ]);
  });

  test.each(['#/properties/C', '#/$defs/text'])('may let properties refer to others: %s', ($ref) => {
    const schema = readConfigSchema({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $defs: { port: { type: 'integer', maximum: 65535 }, text: { type: 'string' } },
      properties: {
        A: { $ref: '#/$defs/port' },
        B: { type: 'array', items: { $ref } },
        C: { type: 'string', description: 'A name.' },
        D: { type: 'string', description: 'Another one.' },
      },
      additionalProperties: false,
      minProperties: 1,
    });
    expect(schema.validate({ A: 1, B: ['x'], C: 'y', D: 'z' })).toEqual([]);
    const mistakes = schema.validate({ A: 70_000, B: [1], C: 2, D: 3, E: 4 });
    expect(mistakes).toHaveLength(5);
    expect(mistakes).toEqual(
      expect.arrayContaining([
        { key: 'E', message: 'is not declared by the server' },
        { key: 'A', message: 'must be <= 65535' },
        ...['B', 'C', 'D'].map((key) => ({ key, message: 'must be string' })),
      ]),
    );
    expect(schema.validate({})).toEqual([{ key: '', message: 'must NOT have fewer than 1 properties' }]);
  });

  test('may take a JSON Schema as a value', () => {
    const $ref = 'https://json-schema.org/draft/2020-12/schema';
    for (const A of [{ $ref }, { $ref: '#/$defs/schema' }]) {
      const schema = readConfigSchema({ $defs: { schema: { $ref } }, properties: { A } });
      expect(schema.validate({ A: { type: 'string' } })).toEqual([]);
      expect(schema.validate({ A: { type: 3 } })).not.toEqual([]);
    }
  });

  test.each([
    { properties: [] },
    { type: 'nothing' },
    { properties: { A: 3 } },
    { $ref: '#/missing' },
    { required: 'A' },
    { properties: { A: { type: 'intger' } } },
    { properties: { A: { minimum: '3' } } },
    { properties: { A: { pattern: '(' } } },
    { properties: { A: { enum: 'x' } } },
    { properties: { A: { items: { maxLength: {} } } } },
    { properties: { A: { anyOf: {} } } },
  ])('that cannot be used is refused: %j', (schema) => {
    expect(() => readConfigSchema(schema)).toThrow(
      /^the configuration schema in the package \(server\.config\) cannot be used/,
    );
  });
});

describe('a variable’s text', () => {
  const $defs = { share: { type: 'number', maximum: 1 }, name: { type: 'string' } };

  test.each<[string, JsonObject | boolean, Json]>([
    ['0.5', { type: 'number' }, 0.5],
    ['12', { type: 'integer' }, 12],
    ['true', { type: 'boolean' }, true],
    ['[1]', { type: 'array' }, [1]],
    ['12', { type: 'string' }, '12'],
    ['12', {}, '12'],
    ['12', true, '12'],
    ['12', { type: ['integer', 'null'] }, 12],
    ['5', { anyOf: [{ type: 'integer' }, { type: 'null' }] }, 5],
    ['null', { anyOf: [{ type: 'integer' }, { type: 'null' }] }, null],
    ['8', { enum: [8, 16] }, 8],
    ['8', { enum: ['8', 16] }, '8'],
    ['0.5', { $ref: '#/$defs/share' }, 0.5],
    ['0.5', { $ref: '#/properties/B' }, 0.5],
    ['12', { $ref: '#/$defs/name' }, '12'],
    ['123', { type: ['string', 'null'] }, '123'],
    ['123', { type: ['string', 'integer'], minLength: 4 }, 123],
  ])('%j for %j is %j', (text, A, value) => {
    const schema = readConfigSchema({
      $defs,
      properties: { A, B: { $ref: '#/$defs/share' }, C: { type: 'object' } },
      required: ['B', 'C'],
    });
    expect(schema.coerce('A', text)).toEqual(value);
  });

  test.each<[string, JsonObject, Json]>([
    ['yes', { type: 'boolean' }, 'yes'],
    ['1e400', { type: 'number' }, '1e400'],
    ['2', { type: 'number', maximum: 1 }, 2],
    ['2', { type: ['string', 'number'], maximum: 1, minLength: 2 }, '2'],
    ['2', { enum: ['low', 'high'] }, '2'],
  ])('%j that does not fit %j is told as %j', (text, A, value) => {
    expect(readConfigSchema({ properties: { A } }).coerce('A', text)).toEqual(value);
  });
});
