import { Readable } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { headOf, refusalOf } from '../../src/package/content.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

/** A safetensors file whose header has this many bytes. */
function safetensors(length: number): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(length));
  return Buffer.concat([size, bytes('{"__metadata__":{}}')]);
}

describe('refused by content', () => {
  test.each([
    ['a pickle of protocol 2, as torch.save wrote it', '\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.'],
    ['a pickle of protocol 4', '\x80\x04\x95\x1a\0\0\0\0\0\0\0}\x94.'],
    ['a pickle of protocol 5', '\x80\x05K\x01.'],
    ['a pickle with a float before what it hides', '\x80\x02G\0\0\0\0\0\x7b\0\0'],
    ['a pickle of protocol 0 that calls', "cos\nsystem\n(S'true'\ntR."],
    ['a pickle of protocol 0 with an object', 'ccopy_reg\n_reconstructor\np0\n(c__main__\nA\np1\n'],
    ['a pickle of protocol 1 with an object', 'ccopy_reg\n_reconstructor\nq\x00(c__main__\nA\n'],
    ['a pickle of protocol 0 with a dict', '(dp0\nVa\np1\n'],
    ['a pickle of protocol 0 with a list', '(lp0\nI1\na.'],
    [
      'a NumPy array of objects',
      "\x93NUMPY\x01\x00v\x00{'descr': '|O', 'fortran_order': False, 'shape': (1,), }  \n",
    ],
  ])('%s', (_, text) => {
    expect(refusalOf(bytes(text))).toMatch(/^a pickle, and loading it runs the code in it/);
  });

  test.each([
    ['PK\x03\x04', /^a ZIP archive/],
    ['\x7fELF\x02', /^a Linux executable/],
    ['MZ\x90\0', /^a Windows executable/],
    ['\xcf\xfa\xed\xfe', /^a macOS executable/],
    ['#!/bin/sh\n', /^a script/],
  ])('%j', (text, said) => {
    expect(refusalOf(bytes(text))).toMatch(said);
  });
});

describe('accepted', () => {
  test.each([
    ['ONNX', '\x08\x08\x12\x07pytorch'],
    ['GGUF', 'GGUF\x03\0\0\0'],
    ['JSON', '{"a": 1}'],
    ['labels, one a line', 'cat\ndog\nmouse\n'],
    ['labels that begin like a global', 'car\nbus\nquad\nplane\n'],
    ['a text', '(c) 2026\n'],
    [
      'a NumPy array of numbers',
      "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }\n",
    ],
    ['nothing', ''],
  ])('%s', (_, text) => {
    expect(refusalOf(bytes(text))).toBeUndefined();
  });

  test.each([0x0280, 0x0380, 0x0480, 0x0580, 0x1_0280, 0x28_0280, 0x7d_0480])(
    'safetensors with a header of %i bytes, which begin like a pickle’s',
    (length) => {
      expect(refusalOf(safetensors(length))).toBeUndefined();
    },
  );
});

test('only the head of a stream is read', async () => {
  let given = 0;
  const stream = new Readable({
    highWaterMark: 64,
    read() {
      given += 64;
      this.push(Buffer.alloc(64, 1));
    },
  });
  expect((await headOf(stream, 100)).length).toBe(100);
  expect(stream.destroyed).toBe(true);
  expect(given).toBeLessThan(1024);
  expect((await headOf(Readable.from([Buffer.from('short')]))).toString()).toBe('short');
});
