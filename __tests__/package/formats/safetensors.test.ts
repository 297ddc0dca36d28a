import { describe, expect, test } from '@jest/globals';
import { readSafetensors } from '../../../src/package/formats/safetensors.ts';
import { modelFile } from '../../support/model-file.ts';
import { PICKLES, safetensors, safetensorsOf } from '../../support/models.ts';

const read = (bytes: Buffer, holes = 0) => readSafetensors(modelFile('m.safetensors', bytes, holes));
const one = (entry: object, name = 'a'): string => JSON.stringify({ [name]: entry });

describe('a safetensors file', () => {
  test('says how many values of which type it holds', async () => {
    const header = JSON.stringify({
      __metadata__: { format: 'pt' },
      b: { dtype: 'F16', shape: [3], data_offsets: [24, 30] },
      a: { dtype: 'F32', shape: [2, 3], data_offsets: [0, 24] },
      none: { dtype: 'I64', shape: [0, 7], data_offsets: [30, 30] },
      scalar: { dtype: 'F8_E4M3', shape: [], data_offsets: [30, 31] },
      small: { dtype: 'F4', shape: [2], data_offsets: [31, 32] },
    });
    expect(await read(safetensorsOf(`${header}   `, 32))).toEqual({
      format: 'safetensors',
      parameters: 12,
      values: new Map([
        ['float16', 3],
        ['float32', 6],
        ['float8_e4m3', 1],
      ]),
    });
  });

  test('of any size is judged by its header alone', async () => {
    const header = one({ dtype: 'BF16', shape: [20_000_000_000], data_offsets: [0, 40_000_000_000] });
    const file = modelFile('m.safetensors', safetensorsOf(header), 40_000_000_000);
    expect((await readSafetensors(file)).parameters).toBe(20_000_000_000);
    expect(file.seen()).toBe(8 + header.length);
  });
});

describe('refused:', () => {
  const entry = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
  const two = (a: object, b: object): string =>
    JSON.stringify({ a: { ...entry, ...a }, b: { ...entry, ...b } });
  test.each([
    [
      'a header longer than the file',
      safetensorsOf('{}', 0, 3n),
      /says that its header has 3 bytes, and at most 2/,
    ],
    [
      'a header of 2^62 bytes',
      safetensorsOf('{}', 0, 2n ** 62n),
      /header has 4611686018427387904 bytes, and at most 2 /,
    ],
    ['a pickle', PICKLES.binary, /^is not safetensors: it says that its header has \d+ bytes/],
    ['a few bytes', Buffer.from('{}'), /^is not safetensors: it has 2 bytes; write it again$/],
    ['a header that is a list', safetensorsOf('[{"a":1}]'), /its header is no JSON object/],
    [
      'a header that is no JSON',
      safetensorsOf('{"a": nope}'),
      /^is not a safetensors header: .*; write it again$/,
    ],
    [
      'a header that is not UTF-8',
      safetensorsOf('{}').fill(0xff, 9),
      /its header is not UTF-8|it is not UTF-8/,
    ],
    [
      'no tensors',
      safetensorsOf('{"__metadata__":{}}'),
      /^holds no tensor; let the trainer save its weights$/,
    ],
    [
      'a tensor twice',
      safetensorsOf(`{"a":${JSON.stringify(entry)},"\\u0061":${JSON.stringify(entry)}}`, 8),
      /^has the key "a" twice/,
    ],
    [
      'an unknown type',
      safetensorsOf(one({ ...entry, dtype: 'PICKLE' }), 8),
      /a tensor "a" of type "PICKLE" that no reader knows; types are F64, F32/,
    ],
    [
      'a type of the prototype',
      safetensorsOf(one({ ...entry, dtype: 'constructor' }), 8),
      /that no reader knows/,
    ],
    ['a shape that is no list', safetensorsOf(one({ ...entry, shape: 2 }), 8), /that no reader knows/],
    ['a dimension below zero', safetensorsOf(one({ ...entry, shape: [-2] }), 8), /with the dimension -2/],
    ['a dimension of a half', safetensorsOf(one({ ...entry, shape: [0.5] }), 8), /with the dimension 0\.5/],
    [
      'a shape beyond all files',
      safetensorsOf(one({ ...entry, shape: [2 ** 40, 2 ** 40] }), 8),
      /more values than a file can hold/,
    ],
    [
      'bytes that are not type times shape',
      safetensorsOf(one({ ...entry, shape: [3] }), 8),
      /a tensor "a" at bytes 0 to 8, where 12 from 0 on are due/,
    ],
    [
      'offsets that overlap',
      safetensorsOf(two({}, { data_offsets: [4, 12] }), 12),
      /a tensor "b" at bytes 4 to 12, where 8 from 8 on are due/,
    ],
    [
      'offsets with a gap',
      safetensorsOf(two({}, { data_offsets: [9, 17] }), 17),
      /a tensor "b" at bytes 9 to 17/,
    ],
    [
      'offsets that begin late',
      safetensorsOf(one({ ...entry, data_offsets: [4, 12] }), 12),
      /where 8 from 0 on/,
    ],
    ['offsets backwards', safetensorsOf(one({ ...entry, data_offsets: [8, 0] }), 8), /at bytes 8 to 0/],
    [
      'offsets that are texts',
      safetensorsOf(one({ ...entry, data_offsets: ['0', '8'] }), 8),
      /at bytes "0" to "8"/,
    ],
    [
      'a file that is cut off',
      safetensors({ a: [2] }).subarray(0, -1),
      /has 7 bytes behind its header, and its tensors need 8/,
    ],
    [
      'something added',
      Buffer.concat([safetensors({ a: [2] }), PICKLES.text]),
      /it is cut off, or something was added/,
    ],
    [
      'half a byte',
      safetensorsOf(one({ dtype: 'F4', shape: [3], data_offsets: [0, 2] }), 2),
      /where 1\.5 from 0 on are due/,
    ],
  ])('%s', async (_, bytes, said) => {
    await expect(read(bytes)).rejects.toThrow(said);
  });

  test('a header above the limit, before a byte of it is read', async () => {
    const file = modelFile('m.safetensors', safetensorsOf('{', 0, 100_000_001n), 200_000_000);
    await expect(readSafetensors(file)).rejects.toThrow(/at most 100000000 are possible/);
    expect(file.seen()).toBe(8);
  });

  test('JSON that is nested without end', async () => {
    await expect(read(safetensorsOf(`{"a":${'['.repeat(100_000)}`))).rejects.toThrow(
      /nested more than 100 deep/,
    );
  });
});
