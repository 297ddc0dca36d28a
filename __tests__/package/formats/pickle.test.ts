import { describe, expect, test } from '@jest/globals';
import { isPickle } from '../../../src/package/formats/pickle.ts';
import { PICKLES, safetensorsOf } from '../../support/models.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');
const isOne = (text: string | Buffer): boolean => {
  const all = typeof text === 'string' ? bytes(text) : text;
  return isPickle(all, all.length);
};

describe('is a pickle:', () => {
  test.each(Object.entries(PICKLES))('%s', (_, pickle) => {
    expect(isOne(pickle)).toBe(true);
  });

  test.each([
    ['what torch.save wrote before 1.6', '\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.'],
    [
      'protocol 0 with an object',
      'ccopy_reg\n_reconstructor\np0\n(c__main__\nA\np1\nc__builtin__\nobject\np2\nNtp3\nRp4\n.',
    ],
    ['protocol 1 with an object', 'ccopy_reg\n_reconstructor\nq\0(c__main__\nA\nq\x01NtR.'],
    ['an instance by INST', '(S"true"\nios\nsystem\n.'],
    ['an instance by OBJ', '(cos\nsystem\nS"true"\no.'],
    ['a name by its number in a registry', '\x80\x02\x82\x01)R.'],
    ['a float before what it hides', '\x80\x02G\0\0\0\0\0\0\0\0cos\nsystem\n(S"x"\ntR.'],
    ['a dictionary in protocol 0', '(dp0\nVa\np1\nI1\ns.'],
  ])('%s', (_, text) => {
    expect(isOne(text)).toBe(true);
  });

  test('one of which only the beginning is seen', () => {
    const long = Buffer.concat([bytes('\x80\x04\x95\0\0\x10\0\0\0\0\0B\0\0\x0f\0'), Buffer.alloc(2 ** 20)]);
    expect(isPickle(long.subarray(0, 4096), long.length)).toBe(true);
  });
});

describe('is none:', () => {
  test.each([
    ['JSON', '{"a": 1}'],
    ['labels, one a line', 'cat\ndog\nmouse\n'],
    ['labels that begin like a name', 'car\nbus\nquad\nplane\n'],
    ['labels that begin like a name that is built', 'cat\ndog\nbird\n'],
    ['labels that begin like an instance', 'ibis\nowl\nrat\n'],
    ['a text', '(c) 2026\n'],
    ['a full stop', '.'],
    ['words and a full stop', 'Vectors.\nNothing.'],
    ['ONNX', '\x08\x08\x12\x07pytorch'],
    ['GGUF', 'GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0'],
    ['a length that no file has', '\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f'],
    ['nothing', ''],
  ])('%s', (_, text) => {
    expect(isOne(text)).toBe(false);
  });

  test('weights that begin like one', () => {
    const weights = Buffer.alloc(4096, 0x3f);
    weights.set([0x80, 0x04]);
    expect(isOne(weights)).toBe(false);
  });

  test.each([0x0280, 0x0380, 0x0480, 0x0580, 0x1_0280, 0x28_0280, 0x7d_0480, 0x20_5802_80 % 2 ** 26])(
    'safetensors with a header of %i bytes, whose length begins like one',
    (length) => {
      const text =
        '{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.padEnd(600);
      const head = safetensorsOf(text, 4, BigInt(length));
      expect(isPickle(head, length + 12)).toBe(false);
    },
  );
});
