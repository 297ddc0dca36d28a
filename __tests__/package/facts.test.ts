import { describe, expect, test } from '@jest/globals';
import type { AcceptedFile } from '../../src/package/accept.ts';
import { describeModel, paramSizeOf } from '../../src/package/facts.ts';
import type { Facts } from '../../src/package/formats/format.ts';

const blob = { mediaType: 'x', digest: `sha256:${'0'.repeat(64)}`, size: 1 } as const;
const weight = (path: string, facts: Facts): AcceptedFile => ({
  path,
  blob,
  found: { kind: 'weight', facts },
});
const config = (path: string, json: unknown): AcceptedFile => ({
  path,
  blob,
  found: { kind: 'config', facts: { format: 'json' }, json },
});
const safetensors = (parameters: number, values: [string, number][]): Facts => ({
  format: 'safetensors',
  parameters,
  values: new Map(values),
});

describe('a model is described', () => {
  test('by its weights and the configuration beside them', () => {
    const files = [
      config('config.json', { architectures: ['LlamaForCausalLM'], model_type: 'llama', torch_dtype: 'x' }),
      weight('model-00001-of-00002.safetensors', safetensors(700e6, [['bfloat16', 700e6]])),
      weight(
        'model-00002-of-00002.safetensors',
        safetensors(541e6, [
          ['float32', 41],
          ['bfloat16', 5e8],
          ['int64', 50],
        ]),
      ),
    ];
    expect(describeModel('toy', files)).toEqual({
      descriptor: { name: 'toy', family: 'llama' },
      config: {
        format: 'safetensors',
        architecture: 'LlamaForCausalLM',
        paramSize: '1.2B',
        precision: 'bfloat16,int64,float32',
      },
    });
  });

  test('by a GGUF file alone, whose quantised types are no precision', () => {
    const facts = {
      format: 'gguf',
      architecture: 'llama',
      quantization: 'Q4_K_M',
      parameters: 8.03e9,
      values: new Map([['float32', 9]]),
    };
    expect(describeModel('toy', [weight('m.gguf', facts)]).config).toEqual({
      format: 'gguf',
      architecture: 'llama',
      paramSize: '8B',
      quantization: 'Q4_K_M',
    });
  });

  test('without a number where values are packed', () => {
    const files = [
      weight('m.safetensors', safetensors(1e9, [['int32', 1e9]])),
      config('sub/config.json', { quantization_config: { quant_method: 'awq', bits: 4 } }),
    ];
    expect(describeModel('toy', files).config).toEqual({ format: 'safetensors', quantization: 'awq' });
  });

  test('without a number where nobody knows whether files are parts of one or forms of the same', () => {
    const one = safetensors(1e9, [['float16', 1e9]]);
    const files = [weight('encoder.safetensors', one), weight('decoder.safetensors', one)];
    expect(describeModel('toy', files).config).toEqual({ format: 'safetensors', precision: 'float16' });
  });

  test('by its text where it is one', () => {
    expect(describeModel('toy', [config('model.json', { trees: [] })])).toEqual({
      descriptor: { name: 'toy' },
      config: { format: 'json' },
    });
  });

  test('without what is no word: it comes from the training and goes into documents', () => {
    const files = [
      config('config.json', {
        architectures: ['<img src=x>'],
        model_type: 'a b',
        quantization_config: { quant_method: '[x](y)' },
      }),
      weight('m.gguf', { format: 'gguf', architecture: 'x\n# y' }),
    ];
    expect(describeModel('toy', files)).toEqual({ descriptor: { name: 'toy' }, config: { format: 'gguf' } });
  });
});

test.each([
  [7_241_732_096, '7.2B'],
  [1_000_000_000_000, '1T'],
  [999_960, '1M'],
  [999_940, '999.9K'],
  [4810, '4.8K'],
  [650, '0.7K'],
  [20, undefined],
  [0, undefined],
  [Number.NaN, undefined],
])('%d weights are %s', (count, text) => {
  expect(paramSizeOf(count)).toBe(text);
});
