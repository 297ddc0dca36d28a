import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { UserError } from '../../src/lib/errors.ts';
import { modelCard } from '../../src/package/card.ts';
import { parseCard } from '../../src/package/front-matter.ts';
import type { Stored } from '../../src/records/kind.ts';
import type { RunConfig } from '../../src/records/run.ts';

const DATA = `sha256:${'d'.repeat(64)}` as const;
const RUN = `sha256:${'a'.repeat(64)}` as const;

function runOf(changes: Partial<RunConfig> = {}): Stored<RunConfig> {
  const config: RunConfig = {
    trainingId: `sha256:${'b'.repeat(64)}`,
    state: 'succeeded',
    commit: 'c0ffee',
    params: { epochs: 3 },
    data: { digits: DATA },
    metrics: { accuracy: 0.97, loss: 0.1 },
    segments: [],
    machine: { os: 'x', architecture: 'x', processors: 1, memoryBytes: 1, python: null, trainyard: '1' },
    ...changes,
  };
  const blob = { mediaType: 'application/vnd.oci.empty.v1+json', digest: RUN, size: 2 };
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  return {
    digest: RUN,
    size: 2,
    config,
    manifest: { schemaVersion: 2, mediaType, config: blob, layers: [] },
  };
}

function cardOf(
  text: string | undefined,
  run = runOf(),
): { metadata: Record<string, unknown>; text: string; whole: string } {
  const card = text === undefined ? undefined : parseCard(text, 'MODEL.md');
  const whole = modelCard('toy', card, run, { format: 'onnx', paramSize: '4.8K' });
  const [, block = '', body = ''] = /^---\n([\s\S]*?)---\n\n([\s\S]*)$/.exec(whole) ?? [];
  return { metadata: parse(block), text: body, whole };
}

describe('a model card', () => {
  test('has Hugging Face’s metadata block with the metrics, then the text, then what Trainyard knows', () => {
    const { metadata, text } = cardOf('# Toy\n\nCounts.\n');
    expect(metadata).toEqual({
      library_name: 'onnx',
      'model-index': [
        {
          name: 'toy',
          results: [
            {
              task: { type: 'other' },
              dataset: { name: 'digits', type: 'digits', revision: DATA },
              metrics: [
                { type: 'accuracy', value: 0.97 },
                { type: 'loss', value: 0.1 },
              ],
            },
          ],
        },
      ],
    });
    expect(text.split('\n').filter((line) => line.startsWith('#'))).toEqual([
      '# Toy',
      '## Model',
      '## Metrics',
      '## Parameters',
      '## Data',
      '## Lineage',
    ]);
    expect(text).toContain('| paramSize | 4.8K |');
  });

  test('keeps the user’s metadata as they wrote it, and theirs win', () => {
    const own =
      '---\n# Ours.\nlicense: mit   # see LICENSE\npipeline_tag: image-classification\nlibrary_name: mine\n---\n\n# Toy\n';
    const { whole, metadata } = cardOf(own);
    expect(whole).toContain(
      '---\n# Ours.\nlicense: mit # see LICENSE\npipeline_tag: image-classification\nlibrary_name: mine\nmodel-index:\n',
    );
    expect(metadata['model-index']).toMatchObject([
      { results: [{ task: { type: 'image-classification' } }] },
    ]);
    expect(cardOf('---\nmodel-index: []\n---\nText').metadata).toEqual({
      'model-index': [],
      library_name: 'onnx',
    });
  });

  test.each([
    ['no card', undefined, /^# toy\n\n## Model/],
    ['a card of another system', '\uFEFF---\r\nlicense: mit\r\n---\r\n# Toy\r\n', /^# Toy\n\n## Model/],
    ['an empty metadata block', '---\n---\n# Toy\n', /^# Toy\n\n## Model/],
    ['a line in the text', '# Toy\n\n---\n\nMore\n', /^# Toy\n\n---\n\nMore\n\n## Model/],
  ])('can be made of %s', (_, text, begins) => {
    expect(cardOf(text).text).toMatch(begins);
  });

  test('needs neither metrics nor data, and names several data sets', () => {
    const { metadata } = cardOf('# Toy', runOf({ metrics: {} }));
    expect(metadata).toEqual({ library_name: 'onnx' });
    const none = cardOf('# Toy', runOf({ data: {} })).metadata;
    expect(none['model-index']).toMatchObject([
      { results: [{ dataset: { name: 'none named', type: 'none named' } }] },
    ]);
    const two = cardOf('# Toy', runOf({ data: { a: DATA, b: DATA } })).metadata;
    expect(JSON.stringify(two)).toContain('"dataset":{"name":"a, b","type":"a, b"}');
  });

  test('is the same each time', () => {
    expect(cardOf('---\nb: 1\na: 2\n---\nx').whole).toBe(cardOf('---\nb: 1\na: 2\n---\nx').whole);
  });

  test.each([
    ['is no YAML', '---\nlicense: [mit\n---\n'],
    ['is a list', '---\n- mit\n---\n'],
    ['has a key twice', '---\na: 1\na: 2\n---\n'],
  ])('is refused with its place when its metadata block %s', (_, text) => {
    expect(() => parseCard(text, 'MODEL.md')).toThrow(UserError);
    expect(() => parseCard(text, 'MODEL.md')).toThrow(
      /^MODEL\.md begins with a metadata block that is not YAML with keys: /,
    );
  });
});
