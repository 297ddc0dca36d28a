import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { LayoutStore } from '../../../src/store/layout.ts';
import { fetchEarlier } from '../../../src/train/metrics/earlier.ts';
import { putTrainer } from '../../support/programs.ts';
import { putRun } from '../../support/runs.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'metrics-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('the metrics of the segment before are those of its Run; a Run without any leaves no file', async () => {
  const store = new LayoutStore(join(folder, 'store'));
  const trainer = await putTrainer(store, { 'train.py': '' }, { command: ['true'] });
  const course = '{"step": 1, "loss": 0.5}\n';
  const file = join(folder, 'earlier.jsonl');
  await fetchEarlier(store, (await putRun(store, trainer.digest)).digest, file);
  await expect(readFile(file)).rejects.toThrow('ENOENT');
  await fetchEarlier(store, (await putRun(store, trainer.digest, { course })).digest, file);
  expect(await readFile(file, 'utf8')).toBe(course);
});
