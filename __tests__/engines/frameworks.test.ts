/** The training programs of docs/training.md, as they stand there: stopped and resumed they give the bytes of an uninterrupted one. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pythonOf } from '../../scripts/python.ts';
import { torch } from '../../scripts/torch.ts';
import { digestOf } from '../../src/lib/digest.ts';
import { anchorsOf, blocksOf } from '../support/documents.ts';
import { checkpointsIn, runExample, stoppedAt } from '../support/example-run.ts';
import { root } from '../support/workflow-files.ts';

const PAGE = 'docs/training.md';
const PROGRAMS = blocksOf(PAGE).filter(({ text }) => text.startsWith('# train.py with '));

/** The heading of each, its environment, and the line after which it is stopped. */
const FRAMEWORKS: readonly (readonly [name: string, environment: string, stopAfter: string])[] = [
  ['pytorch', 'torch-frameworks', 'epoch 2'],
  ['lightning', 'torch-frameworks', 'epoch 2'],
  ['hugging-face', 'torch-frameworks', 'step 5'],
  ['scikit-learn', 'frameworks', 'epoch 2'],
  ['xgboost', 'frameworks', 'round 2'],
];

let place: string;
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'trainyard-frameworks-'));
  for (const name of ['torch-frameworks', 'frameworks']) await pythonOf(name);
  await torch();
}, 600_000);
afterAll(() => rm(place, { recursive: true, force: true }));

test('every program of the page is in the table, in its order', () => {
  const headings = anchorsOf(PAGE);
  expect(headings).toEqual(expect.arrayContaining(FRAMEWORKS.map(([name]) => name)));
  expect(PROGRAMS).toHaveLength(FRAMEWORKS.length);
});

test.each(FRAMEWORKS)(
  '%s',
  async (name, environment, stopAfter) => {
    const index = FRAMEWORKS.findIndex(([of]) => of === name);
    const folder = join(place, name);
    await mkdir(folder);
    const program = join(folder, 'train.py');
    const before = await readFile(join(root, '__tests__/support/frameworks', `${name}.py`), 'utf8');
    await writeFile(program, `${before}\n${PROGRAMS[index]?.text}`);
    const python = await pythonOf(environment);
    const env = {
      ...(environment === 'frameworks' ? {} : await torch()),
      OMP_NUM_THREADS: '1',
      HF_HUB_OFFLINE: '1',
    };
    const train = (how: string, resumeFrom?: string, stop: string[] = []) =>
      runExample({
        command: [python, '-W', 'ignore', ...stop, program],
        folder: join(folder, how),
        env,
        ...(resumeFrom !== undefined && { resumeFrom }),
      });

    const whole = await train('whole');
    expect(whole).toEqual({ ...whole, status: 0 });
    const stopped = await train('stopped', undefined, stoppedAt(stopAfter));
    expect(stopped).toEqual({ ...stopped, status: 143 });
    expect(await readdir(stopped.output)).toEqual([]);
    const newest = (await checkpointsIn(stopped.checkpoints)).at(-1) ?? '';
    const resumed = await train('stopped', newest);
    expect(resumed).toEqual({ ...resumed, status: 0 });
    expect(resumed.lines.filter((line) => line.startsWith(stopAfter))).toEqual(
      name === 'hugging-face' ? [expect.anything()] : [],
    );
    expect(await modelsIn(resumed.output)).toEqual(await modelsIn(whole.output));
  },
  180_000,
);

/** The Trainer of Hugging Face puts its arguments beside the model, the folder of the checkpoints among them. */
async function modelsIn(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => name !== 'training_args.bin');
  expect(names).not.toEqual([]);
  const digests = names.map(async (name) => [name, digestOf(await readFile(join(folder, name)))] as const);
  return Object.fromEntries(await Promise.all(digests));
}
