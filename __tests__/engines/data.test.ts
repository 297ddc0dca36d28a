/** A data set as other tools see it: what `oras pull` and `tar` make of it is what was pushed. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { type DataMachine, dataMachine } from '../support/data-cache.ts';
import { type Distribution, startDistribution } from '../support/distribution.ts';
import { registryStores } from '../support/registries.ts';

const run = promisify(execFile);
const SET = {
  ...Object.fromEntries(
    Array.from({ length: 200 }, (_, i) => [`${i % 3}/ä ${i}.bin`, Buffer.alloc(100_000, `${i} `)]),
  ),
  [`${'long/'.repeat(30)}name.txt`]: 'deep',
  empty: '',
  'large.bin': Buffer.alloc(33 * 2 ** 20, 'x'),
};
let folder: string;
let machine: DataMachine;
let registry: Distribution;
let stores: Awaited<ReturnType<typeof registryStores>>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-engines-data-'));
  machine = await dataMachine();
  registry = await startDistribution();
  stores = await registryStores(registry);
}, 300_000);
afterAll(async () => {
  await stores.close();
  await machine.remove();
  await rm(folder, { recursive: true, force: true });
});

test('oras pulls a data set from distribution, tar unpacks its shards, and every file is as it was', async () => {
  const digest = await machine.push(SET, stores.open('data'));
  const to = join(folder, 'pulled');
  await run(await tool('oras'), ['pull', '--plain-http', '-o', to, `${registry.host}/acme/data@${digest}`]);
  const shards = await readdir(join(to, 'trainyard/shards'));
  expect(shards.length).toBeGreaterThan(1);
  const all = join(folder, 'all');
  await mkdir(all);
  for (const shard of shards) await run('tar', ['-xf', join(to, 'trainyard/shards', shard), '-C', all]);
  for (const [path, content] of Object.entries(SET)) {
    const found = await readFile(join(path === 'large.bin' ? to : all, path));
    expect([path, found.equals(Buffer.from(content))]).toEqual([path, true]);
  }
  machine.stores = () => stores.open('data');
  const { path } = await machine.use({ oci: 'of the test', digest });
  expect((await readFile(join(path, 'large.bin'))).equals(SET['large.bin'])).toBe(true);
}, 120_000);
