import { describe, expect, test } from '@jest/globals';
import { readOnnx } from '../../../src/package/formats/onnx.ts';
import { modelFile } from '../../support/model-file.ts';
import { field, onnx, PICKLES } from '../../support/models.ts';

const read = (bytes: Buffer, holes = 0) => readOnnx(modelFile('m.onnx', bytes, holes));
const data = (more: object = {}) => ({ location: 'm.data', offset: '0', length: '16', ...more });

/** A message in a message in a message … */
function nested(depth: number): Buffer {
  let graph = field(2, 'g');
  for (let i = 0; i < depth; i++) graph = field(1, field(5, field(6, graph)));
  return Buffer.concat([field(1, 8), field(7, graph), field(8, field(2, 17))]);
}

describe('an ONNX model', () => {
  test('says how many weights of which type it holds, those in attributes too, and no shapes and indices', async () => {
    const bytes = onnx({
      weights: [
        { name: 'w', dims: [3, 4] },
        { name: 'half', dims: [2], type: 10, raw: Buffer.alloc(4) },
        { name: 'shape', dims: [2], type: 7, raw: Buffer.alloc(16) },
        { name: 'int4', dims: [3], type: 22, raw: Buffer.alloc(2) },
      ],
      inside: [{ name: 'constant', dims: [5] }],
    });
    expect(await read(bytes)).toEqual({
      format: 'onnx',
      parameters: 22,
      parts: [],
      values: new Map([
        ['float32', 17],
        ['float16', 2],
      ]),
    });
  });

  test('is read without its weights', async () => {
    const weights = [1, 2, 3].map((n) => ({ name: `w${n}`, dims: [1000, 1000] }));
    const file = modelFile('m.onnx', onnx({ weights }));
    expect((await readOnnx(file)).parameters).toBe(3_000_000);
    expect(file.seen()).toBeLessThan(file.size / 20);
  });

  test('with millions of numbers in attributes is read in a moment', async () => {
    const floats = Buffer.alloc(5 * 2_000_000);
    for (let at = 0; at < floats.length; at += 5) floats[at] = 7 * 8 + 5;
    const node = field(1, field(5, Buffer.concat([field(1, 'values'), floats])));
    const bytes = Buffer.concat([field(1, 8), field(7, node), field(8, field(2, 17))]);
    // The processor's time: others may be at work beside this.
    const begin = process.cpuUsage();
    await read(bytes);
    expect(process.cpuUsage(begin).user / 1000).toBeLessThan(5000);
  });

  test('names the parts of its external data', async () => {
    const weights = [{ name: 'w', dims: [4], external: data({ offset: '4096' }) }];
    const { parts, parameters } = await read(onnx({ weights }));
    expect(parts).toEqual([{ location: 'm.data', offset: 4096, length: 16 }]);
    expect(parameters).toBe(4);
  });
});

describe('refused:', () => {
  const external = (entries: Record<string, string>) =>
    onnx({ weights: [{ name: 'w', dims: [4], external: entries }] });
  test.each([
    ['a text', Buffer.from('{}'), /^is not ONNX: it does not begin with a version/],
    ['a pickle', PICKLES.text, /^is not ONNX/],
    [
      'a model without a graph',
      Buffer.concat([field(1, 8), field(8, field(2, 17))]),
      /it has no graph or names no operator set/,
    ],
    [
      'a model without an operator set',
      Buffer.concat([field(1, 8), field(7, field(2, 'g'))]),
      /names no operator set/,
    ],
    [
      'a field that is longer than the file',
      Buffer.concat([field(1, 8), Buffer.from([0x3a, 0x7f, 1])]),
      /^is cut off, or no protobuf: a field of 127 bytes/,
    ],
    [
      'a length of 2^62',
      Buffer.concat([field(1, 8), Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])]),
      /a field of \d+ bytes/,
    ],
    [
      'a number without an end',
      Buffer.concat([field(1, 8), Buffer.alloc(20, 0xff)]),
      /a number in it has no end/,
    ],
    ['a wire type that is not in use', Buffer.from([8, 8, 0x0b, 0, 0, 0]), /a field 1 of type 3/],
    ['a field 0', Buffer.from([8, 8, 0, 0]), /a field 0 of type 0/],
    ['graphs in graphs without end', nested(60), /graphs nested more than 50 deep/],
    [
      'fewer bytes than its type and shape make',
      onnx({ weights: [{ name: 'w', dims: [4], raw: Buffer.alloc(12) }] }),
      /a tensor "w" with 12 bytes of its own, where type and shape make 16/,
    ],
    [
      'a type that ONNX does not have',
      onnx({ weights: [{ name: 'w', dims: [1], type: 99 }] }),
      /of type 99, which ONNX does not have/,
    ],
    [
      'a shape beyond all files',
      onnx({ weights: [{ name: 'w', dims: [2 ** 40, 2 ** 40], raw: Buffer.alloc(0) }] }),
      /more values than a file can hold/,
    ],
    [
      'external data with an attribute of its own',
      external(data({ __class__: 'x' })),
      /external data with the key "__class__"; keys are location, offset, length, checksum, each once/,
    ],
    [
      'external data with an offset below zero',
      external(data({ offset: '-1' })),
      /external data at "-1" of "16" bytes/,
    ],
    [
      'external data of another length',
      external(data({ length: '15' })),
      /of "15" bytes, and 16 bytes are due/,
    ],
    ['external data at infinity', external(data({ offset: '9'.repeat(40) })), /external data at "9+" of/],
    ['a name of a megabyte', external(data({ location: 'x'.repeat(2 ** 20) })), /a name of 1048576 bytes/],
  ])('%s', async (_, bytes, said) => {
    await expect(read(bytes)).rejects.toThrow(said);
  });

  test('a model above 2 GiB, before a byte of it is read', async () => {
    const file = modelFile('m.onnx', onnx({}), 2 ** 31);
    await expect(readOnnx(file)).rejects.toThrow(/^is larger than 2 GiB/);
    expect(file.seen()).toBe(0);
  });

  test('a model that is cut off anywhere', async () => {
    const whole = onnx({ weights: [{ name: 'w', dims: [2] }], inside: [{ name: 'c', dims: [1] }] });
    for (let length = 0; length < whole.length; length++)
      await expect(read(whole.subarray(0, length))).rejects.toThrow(
        /cut off|not a whole|not ONNX|has no end/,
      );
  });
});
