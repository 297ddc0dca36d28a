/** examples/digits by hand: the same bytes in every process, and after every interruption. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import {
  checkpointsIn,
  digitsPython,
  type ExampleRun,
  runExample,
  stoppedAt,
} from '../support/example-run.ts';
import { root } from '../support/workflow-files.ts';

const EPOCHS = 4;
let place: string;
let python: string;
let uninterrupted: string;
let checkpoints: readonly string[];
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'trainyard-digits-'));
  python = await digitsPython();
  const { status, output, checkpoints: folder } = await train('whole');
  expect(status).toBe(0);
  uninterrupted = await bytesOf(output);
  checkpoints = await checkpointsIn(folder);
}, 180_000);
afterAll(() => rm(place, { recursive: true, force: true }));

const train = (name: string, how: Partial<ExampleRun> = {}, before: readonly string[] = []) =>
  runExample({
    command: [python, ...before, join(root, 'examples/digits/train.py'), `--epochs=${EPOCHS}`],
    folder: join(place, name),
    ...how,
  });

async function bytesOf(output: string): Promise<string> {
  const files = ['model.onnx', 'golden.jsonl'].map((name) => readFile(join(output, name)));
  return (await Promise.all(files)).map(digestOf).join(' ');
}

test('resumed after any epoch, the model is that of an uninterrupted training', async () => {
  expect(checkpoints).toHaveLength(EPOCHS);
  for (const [i, resumeFrom] of checkpoints.entries()) {
    const { status, lines, output } = await train(`from-${i}`, { resumeFrom });
    expect({ i, status, epochs: lines.filter((line) => line.startsWith('epoch')).length }).toEqual({
      i,
      status: 0,
      epochs: EPOCHS - 1 - i,
    });
    expect([i, await bytesOf(output)]).toEqual([i, uninterrupted]);
  }
});

test('SIGTERM asks for a checkpoint, and ends the program with a status that is not 0', async () => {
  const stopped = await train('stopped', {}, stoppedAt('epoch 2/'));
  expect(stopped).toMatchObject({ status: 143, lines: [expect.anything(), expect.anything()] });
  const left = await checkpointsIn(stopped.checkpoints);
  expect(left).toHaveLength(2);
  const { output } = await train('stopped', { resumeFrom: left.at(-1) ?? '' });
  expect(await bytesOf(output)).toBe(uninterrupted);
});

test('without a folder for checkpoints there are none, and SIGTERM ends it as ever', async () => {
  const env = { TRAINYARD_CHECKPOINT_DIR: '' };
  const { status, checkpoints: folder } = await train('none', { env }, stoppedAt('epoch 2/'));
  expect(status).toBe('SIGTERM');
  expect(await checkpointsIn(folder)).toEqual([]);
});

test('the bytes of the model do not hang on the seed of the hashes or on addresses', async () => {
  for (const seed of ['0', '1', '2']) {
    const { output } = await train(`hash-${seed}`, {
      resumeFrom: checkpoints.at(-1) ?? '',
      env: { PYTHONHASHSEED: seed },
    });
    expect([seed, await bytesOf(output)]).toEqual([seed, uninterrupted]);
  }
});
