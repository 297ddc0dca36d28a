/** examples/torch as far as it goes without PyTorch; __tests__/engines/examples.test.ts trains it. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { projectSchema } from '../../src/source/project.ts';
import { parseYaml } from '../../src/source/yaml.ts';
import { root } from '../support/workflow-files.ts';

const file = (name: string): string => join(root, 'examples', name);

test('the project is one, and names the data of the other example', async () => {
  const [torch, digits] = await Promise.all(
    ['torch', 'digits'].map(async (name) =>
      parseYaml(name, await readFile(file(`${name}/trainyard.yml`), 'utf8'), projectSchema),
    ),
  );
  expect(torch?.value.trainer.data).toEqual(digits?.value.trainer.data);
  expect(torch?.value.trainer.launcher).toEqual({ torchrun: { processes: 2, restarts: 1 } });
});

test('the program is Python, and its defaults are those of the project', async () => {
  await promisify(execFile)('python3', [
    '-I',
    '-c',
    'import ast, sys; ast.parse(open(sys.argv[1]).read())',
    file('torch/train.py'),
  ]);
  const [, text = ''] = /^DEFAULTS = (.*)$/m.exec(await readFile(file('torch/train.py'), 'utf8')) ?? [];
  const { params } = parseYaml('torch', await readFile(file('torch/trainyard.yml'), 'utf8'), projectSchema)
    .value.trainer;
  expect(JSON.parse(text)).toEqual(params);
});
