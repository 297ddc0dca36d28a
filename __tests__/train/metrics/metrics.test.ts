import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { run } from '../../../src/lib/process.ts';
import { Metrics } from '../../../src/train/metrics/metrics.ts';
import { placesIn } from '../../support/metrics.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'metrics-'));
  file = join(folder, 'metrics.jsonl');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('the metrics file', () => {
  test('is read as it grows; a line without its end waits', async () => {
    const metrics = new Metrics(placesIn(folder));
    expect(await metrics.read()).toBeUndefined();
    await writeFile(file, '{"step": 1, "loss": 1}\n{"step": 2, "lo');
    expect(await metrics.read()).toMatchObject({ step: 1, values: [['loss', 1]] });
    expect(await metrics.read()).toBeUndefined();
    await appendFile(file, 'ss": 0.5}\n{"step": 3, "accuracy": 0.9}');
    expect(await metrics.read()).toMatchObject({ step: 2 });
    await metrics.finish();
    expect(metrics.last).toEqual({ loss: 0.5, accuracy: 0.9 });
    expect(metrics.problems).toEqual([]);
  });

  test('is told in the log every few seconds, and its last line in any case', async () => {
    const metrics = new Metrics(placesIn(folder));
    const told = [];
    for (const step of [1, 2, 3]) {
      await appendFile(file, `{"step": ${step}, "loss": ${step}}\n`);
      const line = await metrics.read();
      told.push(line && metrics.tell(line));
    }
    const last = await metrics.finish();
    expect([...told, last && metrics.tell(last)]).toEqual([
      'step 1 loss 1',
      undefined,
      undefined,
      'step 3 loss 3',
    ]);
    expect(await metrics.finish()).toBeUndefined();
  });

  test('what is no number is left out, and told with its line', async () => {
    const metrics = new Metrics(placesIn(folder));
    const lines = [
      '{"loss": NaN, "accuracy": 1}',
      '',
      'oops',
      '[1]',
      '{"low": "low"}',
      '{"__proto__": 2}',
      '{"a": 1',
    ];
    await writeFile(file, lines.join('\r\n'));
    await metrics.finish();
    expect(Object.entries(metrics.last)).toEqual([
      ['accuracy', 1],
      ['__proto__', 2],
    ]);
    expect(metrics.problems).toEqual([
      'TRAINYARD_METRICS_FILE: line 1 has no finite number for "loss"',
      'TRAINYARD_METRICS_FILE: line 3 is not a JSON object',
      'TRAINYARD_METRICS_FILE: line 4 is not a JSON object',
      'TRAINYARD_METRICS_FILE: line 5 has no finite number for "low"',
      'TRAINYARD_METRICS_FILE: line 7 is not a JSON object',
    ]);
    expect(metrics.nonFinite).toEqual(new Set(['loss']));
  });

  test('of many steps a thinned course is kept, with first and last', async () => {
    const metrics = new Metrics(placesIn(folder));
    await writeFile(
      file,
      Array.from({ length: 10_000 }, (_, i) => `{"step": ${i}, "loss": ${i / 2}}\n`).join(''),
    );
    await metrics.finish();
    const series = metrics.series.get('loss');
    expect(series).toMatchObject({ first: 0, last: 4999.5 });
    const steps = series?.points.map(([step]) => step) ?? [];
    expect(steps.length).toBeGreaterThan(50);
    expect(steps.length).toBeLessThanOrEqual(100);
    expect(new Set(steps.slice(1).map((step, i) => step - (steps[i] ?? 0))).size).toBe(1);
  });

  test('that is begun anew forgets what it held', async () => {
    const metrics = new Metrics(placesIn(folder));
    await writeFile(file, '{"step": 1, "loss": 1, "gone": 1}\n{"step": 2, "loss": 1}\n');
    await metrics.read();
    await writeFile(file, '{"step": 1, "loss": 3}\n');
    await metrics.finish();
    expect(metrics.last).toEqual({ loss: 3 });
  });

  test('that is written anew beside itself and renamed into place is read anew', async () => {
    const metrics = new Metrics(placesIn(folder));
    await writeFile(file, '{"step": 1, "loss": 1}\n');
    await metrics.read();
    await writeFile(`${file}.new`, '{"step": 1, "loss": 3}\n{"step": 2, "loss": 2}\n');
    await rename(`${file}.new`, file);
    await metrics.finish();
    expect(metrics.series.get('loss')?.points).toEqual([
      [1, 3],
      [2, 2],
    ]);
  });

  test('names, problems and lines without end are bounded', async () => {
    const metrics = new Metrics(placesIn(folder));
    const names = JSON.stringify(Object.fromEntries(Array.from({ length: 600 }, (_, i) => [`m${i}`, i])));
    await writeFile(file, `${names}\n${'x'.repeat(3 << 20)}\n{"m1": 7}\n`);
    await metrics.finish();
    expect(Object.keys(metrics.last)).toHaveLength(500);
    expect(metrics.last.m1).toBe(7);
    expect(metrics.problems).toHaveLength(6);
    expect(metrics.problems.at(-1)).toBe('TRAINYARD_METRICS_FILE: and 96 more like these');
  });

  test('that is a pipe or a folder is not waited for', async () => {
    await run(['mkfifo', file]);
    const metrics = new Metrics(placesIn(folder));
    await metrics.finish();
    const inFolder = new Metrics({ ...placesIn(folder), metrics: folder });
    await inFolder.finish();
    expect({ ...metrics.last, ...inFolder.last }).toEqual({});
  });
});
