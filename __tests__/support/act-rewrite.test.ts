import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { finished, forAct } from './act-rewrite.ts';
import { root, workflowFiles } from './workflow-files.ts';

test.each(workflowFiles)('%s says the same to act, in its words', (file) => {
  const text = readFileSync(join(root, file), 'utf8');
  const words = (key: string, value: unknown): unknown => {
    if (key === 'queue' || (key === 'ref' && value === '${{ inputs.commit }}')) return undefined;
    if (key !== 'uses' || typeof value !== 'string' || !/^[$.]\//.test(value)) return value;
    return `trainyard/trainyard/${value.slice(2)}@v1`;
  };
  expect(parse(forAct(text))).toEqual(JSON.parse(JSON.stringify(parse(text), words)));
});

test('only a line that is all of what is rewritten is rewritten', () => {
  const text = 'run: |\n  echo "uses: $/x" # queue: max\n      queue: max-2\n';
  expect(forAct(text)).toBe(text);
});

test('a finished job only gives its outputs, and the others stay as they are', () => {
  const text = 'jobs:\n  a: {uses: ./x.yml, with: {y: z}}\n  b: # kept\n    needs: a\n';
  const outputs = { run: 'sha256:aa' };
  expect(parse(finished(text, 'a', outputs))).toEqual({
    jobs: {
      a: { 'runs-on': 'ubuntu-24.04', permissions: {}, outputs, steps: [{ run: 'true' }] },
      b: { needs: 'a' },
    },
  });
});
