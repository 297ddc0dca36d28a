import { describe, expect, test } from '@jest/globals';
import { readJson } from '../../../src/package/formats/json.ts';
import { readSentencePiece } from '../../../src/package/formats/sentencepiece.ts';
import { readText } from '../../../src/package/formats/text.ts';
import { readYaml } from '../../../src/package/formats/yaml.ts';
import { modelFile } from '../../support/model-file.ts';
import { field, PICKLES } from '../../support/models.ts';

const text = (content: Buffer | string) => readText(modelFile('labels.txt', content));
const json = (content: string) => readJson(modelFile('config.json', content));
const yaml = (content: string) => readYaml(modelFile('config.yaml', content));

describe('a text', () => {
  test.each([
    ['words', 'cat\ndog\n'],
    ['what other tokenizers hold', 'ĠThe\t1\r\n▁a 0.5\f\n\u0085\n'],
    ['a byte order mark', '\uFEFFa,b\n'],
    ['a certificate, which is public', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'],
    [
      'words about keys',
      'Put it behind -----BEGIN PRIVATE KEY----- and see.\nhf_token, sk-learn, AKIA, ghp_\n',
    ],
  ])('may be %s', async (_, content) => {
    await expect(text(content)).resolves.toBe(content.replace('\uFEFF', ''));
  });

  const digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJ';
  test.each([
    ['bytes that are not UTF-8', Buffer.from([0x61, 0xff, 0xfe]), /^is not a text: it is not UTF-8/],
    ['control characters', 'a\x1b[31m', /the control character 27; store it as safetensors/],
    ['a script', '#!/bin/sh\nrm -rf ~\n', /^is a script; the server’s code belongs in server\.source/],
    [
      'a pickle',
      PICKLES.text,
      /^is a pickle, and loading it runs the code in it; export safetensors or ONNX/,
    ],
    [
      'a private key',
      `x\n-----BEGIN RSA PRIVATE KEY-----\n${digits}\n`,
      /^holds a private key on line 2; remove it, and replace the secret/,
    ],
    [
      'a private key in JSON',
      `"-----BEGIN PRIVATE KEY-----\\n${digits}\\n"`,
      /^holds a private key on line 1/,
    ],
    ['an AWS key', 'AKIAIOSFODNN7EXAMPLE', /^holds an AWS access key/],
    ['a GitHub token', `token=ghp_${digits.slice(0, 36)}`, /^holds a GitHub token/],
    ['a Hugging Face token', `hf_${digits.slice(10, 44)}`, /^holds a Hugging Face token/],
    ['a Slack token', `xoxb-${digits.slice(0, 30)}`, /^holds a Slack token/],
  ])('is refused with %s', async (_, content, said) => {
    await expect(text(content)).rejects.toThrow(said);
    await expect(text(content)).rejects.not.toThrow(digits.slice(0, 20));
  });

  test('of gigabytes is refused before it is read', async () => {
    await expect(readText(modelFile('a.txt', 'a', 2 ** 33))).rejects.toThrow(
      /^has 8589934593 bytes, and a text at most 67108864/,
    );
  });
});

describe('JSON', () => {
  test('of a tokenizer may have words in its vocabulary that are keys elsewhere', async () => {
    const { value } = await json(
      '{"model": {"vocab": {"auto_map": 7, "trust_remote_code": 8, "__proto__": 9}}}',
    );
    expect(JSON.stringify(value)).toContain('"__proto__":9');
    await json('{"trust_remote_code": false, "auto_map": null}');
  });

  test.each([
    [
      'a map to code',
      '{"auto_map": {"AutoModel": "modeling.Net"}}',
      /^has the key auto_map, with which transformers runs code/,
    ],
    ['a map to code deep inside', '{"text": [{"auto_map": "a--b.C"}]}', /the key auto_map/],
    ['a pipeline of its own', '{"custom_pipelines": {"x": {"impl": "p.P"}}}', /the key custom_pipelines/],
    ['trust in code', '{"trust_remote_code": true}', /the key trust_remote_code/],
    [
      'a key twice',
      '{"a": {"b": 1, "c": [{"b": 2}], "b": 3}}',
      /^has the key "b" twice in one object; keep one/,
    ],
    [
      'a key twice, once escaped',
      '{"auto_map": null, "\\u0061uto_map": {"a": "b"}}',
      /^has the key "auto_map" twice/,
    ],
    ['no object', '"a"', /^is JSON without an object or a list/],
    ['NaN', '{"a": NaN}', /^is not JSON: .*NaN/],
    ['a comma too many', '{"a": 1,}', /^is not JSON: /],
    ['no end', '{"a": "b', /^is not JSON: /],
    ['depth without end', '['.repeat(10_000), /^is JSON that is nested more than 100 deep/],
  ])('is refused with %s', async (_, content, said) => {
    await expect(json(content)).rejects.toThrow(said);
  });
});

describe('YAML', () => {
  test('of plain values is taken', async () => {
    expect(await yaml('a: !!str 1\nb: [1, 2]\n---\nc: &x {d: e}\nf: *x\n')).toEqual({ format: 'yaml' });
  });

  test.each([
    [
      'an object of Python',
      'a: !!python/object/apply:os.system ["true"]\n',
      /^has the tag tag:yaml\.org,2002:python\/object\/apply:os\.system, with which YAML makes objects/,
    ],
    ['a tag of its own', 'a: !thing {}\n', /^has the tag !thing/],
    ['mistakes', 'a: [1\n', /^is not YAML: /],
    ['a bomb of brackets', '['.repeat(20_000), /^has more than 50 levels; write JSON$/],
  ])('is refused with %s', async (_, content, said) => {
    await expect(yaml(content)).rejects.toThrow(said);
  });
});

describe('SentencePiece', () => {
  const piece = field(1, Buffer.concat([field(1, '▁a'), field(3, 1)]));
  const read = (content: Buffer) => readSentencePiece(modelFile('spiece.model', content));

  test('is taken with its pieces and settings', async () => {
    expect(await read(Buffer.concat([piece, piece, field(2, 'settings')]))).toEqual({
      format: 'sentencepiece',
    });
  });

  test.each([
    ['another message', field(9, 'x'), /^is not a SentencePiece model: it has a field 9/],
    ['a field of another type', field(1, 7), /it has a field 1/],
    ['no piece', field(2, 'x'), /without a piece/],
    ['its end cut off', piece.subarray(0, -1), /^is cut off, or no protobuf/],
  ])('is refused with %s', async (_, content, said) => {
    await expect(read(content)).rejects.toThrow(said);
  });
});
