import { describe, expect, test } from '@jest/globals';
import { coerce, readConfigSchema } from '../../src/release/schema.ts';

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
    expect(schema.requiredSecrets).toEqual(['KEY']);
    expect(schema.closed).toBe(false);
    expect(schema.isSecret('KEY')).toBe(true);
    expect(schema.isSecret('constructor')).toBe(false);
    expect(schema.declared.CHOICE?.default).toBe(1);
    expect(schema.validate({ ANY: {}, NULLABLE: null, CHOICE: 2 })).toEqual([]);
    expect(schema.validate({ NULLABLE: 'x' })).toEqual([
      { key: 'ANY', message: 'is required and has no value' },
    ]);
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

  test.each([{ properties: [] }, { type: 'nothing' }, { properties: { A: 3 } }, { $ref: '#/missing' }])(
    'that cannot be used is refused: %j',
    (schema) => {
      expect(() => readConfigSchema(schema)).toThrow(
        /^the configuration schema in the package \(server\.config\) cannot be used/,
      );
    },
  );
});

describe('coerce', () => {
  test.each([
    ['0.5', 'number', 0.5],
    ['12', 'integer', 12],
    ['true', 'boolean', true],
    ['yes', 'boolean', 'yes'],
    ['[1]', 'array', [1]],
    ['12', 'string', '12'],
    ['12', undefined, '12'],
    ['12', ['integer', 'null'], 12],
    ['1e400', 'number', '1e400'],
  ])('%j as %j is %j', (text, type, value) => {
    expect(coerce(text, type)).toEqual(value);
  });
});
