import { describe, expect, test } from '@jest/globals';
import { readGguf } from '../../../src/package/formats/gguf.ts';
import { modelFile } from '../../support/model-file.ts';
import { type GgufParts, gguf } from '../../support/models.ts';

const read = (bytes: Buffer) => readGguf(modelFile('m.gguf', bytes));

/** Changes one place of a whole file: a number behind a text of its header. */
function changed(behind: string, at: number, value: number | bigint, width: 4 | 8 = 4): Buffer {
  const bytes = gguf();
  const place = bytes.lastIndexOf(behind) + behind.length + at;
  if (width === 4) bytes.writeUInt32LE(Number(value), place);
  else bytes.writeBigUInt64LE(BigInt(value), place);
  return bytes;
}

test('a GGUF file says architecture, quantisation and the number of its weights', async () => {
  expect(await read(gguf())).toEqual({
    format: 'gguf',
    architecture: 'llama',
    quantization: 'Q4_K_M',
    parameters: 512,
    values: new Map([['float32', 256]]),
  });
  expect((await read(gguf({ version: 2 }))).architecture).toBe('llama');
});

describe('refused:', () => {
  const parts: [string, GgufParts, RegExp][] = [
    [
      'version 1, with other widths',
      { version: 1 },
      /in a version that is read here \(2 or 3, little-endian\): it says 1/,
    ],
    ['another byte order', { version: 0x03000000 }, /it says 50331648/],
    ['no tensors', { tensors: 0 }, /^holds no tensor/],
    ['2^62 tensors', { tensors: 2n ** 62n }, /^says 4611686018427387904 at byte 8, which no size can be/],
    [
      'more tensors than any model',
      { tensors: 1_000_001 },
      /it has 1000001 tensors, and at most 1000000 are read/,
    ],
    ['more entries than any model', { entries: 70_000 }, /it has 70000 metadata entries/],
    [
      'nothing behind its counts',
      { body: Buffer.alloc(0) },
      /^is cut off: at byte 24 it says that 8 more follow/,
    ],
    [
      'a key of 2^40 bytes',
      { body: Buffer.from([0, 0, 0, 0, 0, 1, 0, 0]) },
      /has 1099511627776 bytes in a name/,
    ],
  ];
  test.each(parts)('%s', async (_, made, said) => {
    await expect(read(gguf(made))).rejects.toThrow(said);
  });

  test.each([
    ['another magic', Buffer.from('GGML'.padEnd(64)), /^is not GGUF in a version that is read here/],
    ['three bytes', Buffer.from('GGU'), /^is not GGUF/],
    [
      'a key twice',
      Buffer.from(gguf().toString('latin1').replace('general.file_type', 'general.alignment'), 'latin1'),
      /has the metadata "general\.alignment" twice/,
    ],
    ['an unknown type of metadata', changed('general.file_type', 0, 13), /of type 13, which is not known/],
    ['an alignment of 7', changed('general.alignment', 4, 7), /has the alignment 7/],
    ['an alignment of 0', changed('general.alignment', 4, 0), /has the alignment 0/],
    [
      'a list of 2^40 values',
      changed('tokenizer.ggml.tokens', 8, 2n ** 40n, 8),
      /has 1099511627776 values in "tokenizer/,
    ],
    ['an unknown type of tensor', changed('\x01\0\0\0\0\0\0\0a\x01\0\0\0', 8, 99), /which is not known/],
  ])('%s', async (_, bytes, said) => {
    await expect(read(bytes)).rejects.toThrow(said);
  });

  test('a file that is cut off, and one to which something was added', async () => {
    await expect(read(gguf().subarray(0, -1))).rejects.toThrow(
      /has 1215 bytes behind its header, and its tensors need 1216; it is cut off/,
    );
    await expect(read(Buffer.concat([gguf(), Buffer.alloc(64)]))).rejects.toThrow(/something was added/);
  });

  test('tensors that overlap', async () => {
    const bytes = gguf();
    bytes.writeBigUInt64LE(128n, bytes.lastIndexOf(Buffer.from([192, 0, 0, 0, 0, 0, 0, 0])));
    await expect(read(bytes)).rejects.toThrow(/a tensor "b" at 128, where 192 is due/);
  });
});
