/** The Slurm that other tests train by: it starts, runs jobs, outlives its controller, and leaves nothing. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { processesOf } from '../support/processes.ts';
import { type Cluster, startSlurm } from '../support/slurm.ts';

let cluster: Cluster;
beforeAll(async () => {
  cluster = await startSlurm();
}, 300_000);
afterAll(async () => {
  await cluster.stop();
  expect(await processesOf(cluster.folder)).toEqual([]);
}, 60_000);

test('a batch job runs, and its status is told', async () => {
  const output = join(cluster.folder, 'out');
  const wait = cluster.run('sbatch', '--wait', `--output=${output}`, '--wrap', 'srun hostname; exit 3');
  await expect(wait).rejects.toMatchObject({ code: 3 });
  expect(await readFile(output, 'utf8')).not.toBe('');
}, 60_000);
