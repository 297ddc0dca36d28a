import { appendFile, copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { variablesOf } from '../../../src/train/contract.ts';
import { Metrics } from '../../../src/train/metrics/metrics.ts';
import type { MetricsPlaces } from '../../../src/train/metrics/sources.ts';
import { placesIn } from '../../support/metrics.ts';

const fixtures = join(import.meta.dirname, 'fixtures');
const RUN = 'mlflow/0/f38afaed72c745048712ed3813f049c2';
const EVENTS = 'events.out.tfevents.1795894339.box';

let folder: string;
let places: MetricsPlaces;
let metrics: Metrics;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'metrics-'));
  places = placesIn(folder);
  metrics = new Metrics(places);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Appends to a file below the folder. */
async function add(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await appendFile(join(folder, path), content);
}
async function put(fixture: string, path: string): Promise<void> {
  await mkdir(dirname(join(folder, path)), { recursive: true });
  await copyFile(join(fixtures, fixture), join(folder, path));
}
const points = (name: string) => metrics.series.get(name)?.points;
/** The lines of the metrics file when all is over. */
const lines = async (): Promise<unknown[]> =>
  (await readFile(places.metrics, 'utf8'))
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));

describe('the state of a Hugging Face Trainer', () => {
  test('gives its history, and NaN in it by name and step', async () => {
    expect(await metrics.read()).toBeUndefined();
    await put('transformers.state', 'checkpoints/checkpoint-4/trainer_state.json');
    expect(await metrics.finish()).toMatchObject({
      step: 4,
      values: [
        ['epoch', 2],
        ['loss', 0.75],
      ],
    });
    expect(points('loss')).toEqual([
      [1, 1.5],
      [4, 0.75],
    ]);
    expect(metrics.last).toMatchObject({ eval_loss: 1.25, eval_accuracy: 0.5, learning_rate: 5e-5 });
    expect(metrics.nonFinite).toEqual(new Set(['loss']));
    expect(metrics.problems).toEqual(['Hugging Face: has no finite number for "loss" at step 2']);
  });

  test('of a later checkpoint goes on; an older one is not looked at, and one that is cut off is told', async () => {
    const state = (step: number, ...history: object[]): string =>
      JSON.stringify({ global_step: step, max_steps: 9, log_history: history });
    const [one, two, three] = [1, 2, 3].map((step) => ({ step, loss: 1 / step }));
    await add('output/checkpoint-2/trainer_state.json', state(2, one ?? {}, two ?? {}));
    const first = await metrics.read();
    expect(first && metrics.tell(first)).toBe('step 2/9 loss 0.5');
    await add('output/checkpoint-1/trainer_state.json', state(1, { step: 1, loss: 7 }));
    await add('output/checkpoint-3/trainer_state.json', state(3, one ?? {}, two ?? {}, three ?? {}));
    await add('output/checkpoint-4/trainer_state.json', state(4).slice(0, -3));
    await metrics.finish();
    expect(points('loss')?.map(([step]) => step)).toEqual([1, 2, 3]);
    expect(metrics.problems).toEqual([
      expect.stringContaining('checkpoint-4/trainer_state.json is not a whole'),
    ]);
  });
});

describe('the folder of MLflow', () => {
  test('is read as it grows, names with folders and nothing else of it', async () => {
    await add(`${RUN}/meta.yaml`, 'lifecycle_stage: active\n');
    await add(`${RUN}/params/lr`, '0.1');
    await add(`${RUN}/metrics/loss`, '1795893787126 1.0 0\n1795893787127 0.5 1\n17958937');
    await add(`${RUN}/metrics/eval/acc`, '1795893787126 0.25 0\n1795893787127 0.75 1 rows 93ae\n');
    expect(await metrics.read()).toMatchObject({
      step: 1,
      values: [
        ['eval/acc', 0.75],
        ['loss', 0.5],
      ],
    });
    await add(`${RUN}/metrics/loss`, '87128 nan 2\n1795893787129 -inf 3\n1795893787129 0.125');
    await metrics.finish();
    expect(points('loss')).toEqual([
      [0, 1],
      [1, 0.5],
    ]);
    expect(metrics.last).toEqual({ 'eval/acc': 0.75, loss: 0.125 });
    expect(metrics.nonFinite).toEqual(new Set(['loss']));
  });

  test('tells apart the runs that have a metric of one name, and a line that is none', async () => {
    await add(`${RUN}/metrics/loss`, '1 0.5 1\n');
    await add('mlflow/0/ffffffff000045048712ed3813f049c2/metrics/loss', '2 0.25 1\noops\n');
    await metrics.finish();
    expect(metrics.last).toEqual({ loss: 0.5, 'ffffffff/loss': 0.25 });
    expect(metrics.problems).toEqual([
      'MLflow: the metric "ffffffff/loss" has a line that is not "time value step"',
    ]);
  });
});

test('MLflow is sent to the folder unless the user names a server', () => {
  const workspace = { ...places, root: folder, source: '', params: '', log: '' };
  const variables = (env: string[]) =>
    variablesOf({ env }, new Map(), workspace, { MLFLOW_TRACKING_URI: 'https://mlflow.example' });
  expect(variables([])).toMatchObject({
    MLFLOW_TRACKING_URI: `file://${folder}/mlflow`,
    MLFLOW_ALLOW_FILE_STORE: 'true',
  });
  const theirs = variables(['MLFLOW_TRACKING_URI']);
  expect(theirs.MLFLOW_TRACKING_URI).toBe('https://mlflow.example');
  expect(theirs).not.toHaveProperty('MLFLOW_ALLOW_FILE_STORE');
});

describe('event files of TensorBoard', () => {
  test.each([
    ['tensorboardx.tfevents', { loss: Math.fround(1 / 3), 'eval/accuracy': 0.75 }],
    ['tensorboard.tfevents', { loss: Math.fround(1 / 3) }],
  ])('%s: its scalars are read, and no histogram or text', async (fixture, last) => {
    await put(fixture, `source/runs/today/${EVENTS}`);
    await metrics.finish();
    expect(metrics.last).toEqual(last);
    expect(points('loss')).toEqual([1, 2, 3].map((step) => [step, Math.fround(1 / step)]));
    expect(metrics.problems).toEqual(
      fixture === 'tensorboardx.tfevents' ? ['TensorBoard: has no finite number for "nan"'] : [],
    );
  });

  test('are read as they grow, to any byte', async () => {
    const bytes = await readFile(join(fixtures, 'tensorboard.tfevents'));
    const steps: number[] = [];
    for (let at = 0; at < bytes.length; at += 20) {
      await add(`output/${EVENTS}`, bytes.subarray(at, at + 20));
      const line = await metrics.read();
      if (line?.step !== undefined) steps.push(line.step);
    }
    await metrics.finish();
    expect(steps).toEqual([1, 2, 3]);
    expect(metrics.problems).toEqual([]);
  });

  test('that are cut off or damaged are told, with what lies before', async () => {
    const bytes = await readFile(join(fixtures, 'tensorboard.tfevents'));
    await add(`output/a/${EVENTS}`, bytes.subarray(0, -5));
    bytes.writeUInt8((bytes.at(-20) ?? 0) ^ 1, bytes.length - 20);
    await add(`output/b/${EVENTS}`, bytes);
    await metrics.finish();
    expect(points('loss')?.map(([step]) => step)).toEqual([1, 2]);
    expect(points('b/loss')?.map(([step]) => step)).toEqual([1, 2]);
    expect(metrics.problems).toEqual([
      expect.stringMatching(/^TensorBoard: .*output\/a\/.* ends within a record/),
      expect.stringMatching(/^TensorBoard: .*output\/b\/.* has a damaged record at byte \d+; what follows/),
    ]);
  });
});

test('files with any byte changed or any end are read or told, and never fail the reading', async () => {
  const files = {
    [`output/${EVENTS}`]: await readFile(join(fixtures, 'tensorboard.tfevents')),
    'checkpoints/trainer_state.json': await readFile(join(fixtures, 'transformers.state')),
    [`${RUN}/metrics/loss`]: Buffer.from('1795893787126 1.0 0\n1795893787127 0.5 1\n'),
  };
  for (let round = 0; round < 60; round++) {
    for (const [path, whole] of Object.entries(files)) {
      const bytes = Buffer.from(whole);
      // A walk over all places, with changes of all kinds.
      const at = (round * 97) % bytes.length;
      bytes.writeUInt8((bytes.readUInt8(at) + 1 + ((round * 31) % 255)) % 256, at);
      await rm(join(folder, path), { force: true });
      await add(path, round % 3 === 0 ? bytes.subarray(0, at) : bytes);
    }
    const read = new Metrics({ ...places, metrics: join(folder, `metrics-${round}.jsonl`) });
    await read.read();
    await read.finish();
    expect(Object.values(read.last).every(Number.isFinite)).toBe(true);
  }
});

describe('several sources', () => {
  test('are one file in the end; of one name the first source counts, wherever it came from first', async () => {
    await add(`${RUN}/metrics/loss`, '1 9 1\n');
    await add(`${RUN}/metrics/lr`, '1 0.1 1\n');
    await put('tensorboard.tfevents', `output/${EVENTS}`);
    await metrics.read();
    expect(metrics.last).toMatchObject({ loss: 9 });
    await add('metrics.jsonl', '{"step": 1, "loss": 3}\n{"step": 2, "loss": 2}');
    await add(`${RUN}/metrics/lr`, '2 0.2 2\n');
    await metrics.finish();
    expect(metrics.last).toEqual({ loss: 2, lr: 0.2 });
    expect(await lines()).toEqual([
      { step: 1, loss: 3 },
      { step: 2, loss: 2 },
      { step: 1, lr: 0.1 },
      { step: 2, lr: 0.2 },
    ]);
  });

  test('keep every point, of one source the file as it is', async () => {
    const all = Array.from({ length: 3000 }, (_, step) => `1 ${step / 8} ${step}\n`).join('');
    await add(`${RUN}/metrics/loss`, all);
    await metrics.finish();
    expect(points('loss')?.length).toBeLessThanOrEqual(100);
    expect(await lines()).toHaveLength(3000);
    const alone = new Metrics(placesIn(join(folder, 'alone')));
    await add('alone/metrics.jsonl', ' {"step": 1,   "loss": 3}\r\n');
    await alone.finish();
    expect(await readFile(join(folder, 'alone/metrics.jsonl'), 'utf8')).toBe(' {"step": 1,   "loss": 3}\r\n');
  });

  test('go on where the segments before ended; what was computed again counts once', async () => {
    await add(
      'earlier.jsonl',
      '{"step":1,"loss":9,"lr":0.5}\n{"step":2,"loss":8,"gone":1}\n{"step":3,"loss":7}\n',
    );
    await add('metrics.jsonl', '{"step": 3, "loss": 6.5}\n{"step": 4, "loss": 6}\n');
    await add(`${RUN}/metrics/lr`, '1 0.25 3\n');
    await metrics.finish();
    expect(metrics.series.get('loss')).toMatchObject({ first: 9, last: 6 });
    expect(points('loss')).toEqual([
      [1, 9],
      [2, 8],
      [3, 6.5],
      [4, 6],
    ]);
    expect(points('lr')).toEqual([
      [1, 0.5],
      [3, 0.25],
    ]);
    expect(metrics.last).toEqual({ loss: 6, lr: 0.25, gone: 1 });
    expect(await lines()).toEqual([
      { step: 1, loss: 9, lr: 0.5 },
      { step: 2, loss: 8, gone: 1 },
      { step: 3, loss: 6.5 },
      { step: 4, loss: 6 },
      { step: 3, lr: 0.25 },
    ]);
  });

  test('are not looked for through links', async () => {
    await put('transformers.state', 'elsewhere/trainer_state.json');
    await put('tensorboard.tfevents', `elsewhere/${EVENTS}`);
    await mkdir(join(folder, 'output'));
    await symlink(join(folder, 'elsewhere'), join(folder, 'output/runs'));
    await symlink(join(folder, 'elsewhere', EVENTS), join(folder, 'output', EVENTS));
    await symlink(join(folder, 'elsewhere'), join(folder, 'checkpoints'));
    await writeFile(join(folder, 'target'), '{"loss": 1}\n');
    await symlink(join(folder, 'target'), places.metrics);
    await metrics.finish();
    expect(metrics.last).toEqual({});
  });
});
