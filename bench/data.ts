import { execFile } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startDistribution } from '../__tests__/support/distribution.ts';
import { registryPlace } from '../__tests__/support/registries.ts';
import { tool } from '../scripts/tools.ts';
import { pushData } from '../src/data/push.ts';
import { openRegistry } from '../src/store/registry/open.ts';
import { type Figure, median, seconds, settle } from './figure.ts';

const ROUNDS = 5;
const FILES = 20_000;
const CHANGED = 10;
const run = promisify(execFile);

/** A data set of 20,000 small files, 1.7 GB: pushed whole and after a change, beside a tar that oras pushes. */
export async function data(): Promise<Figure[]> {
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-data-'));
  try {
    const files = await makeFiles(join(folder, 'set'));
    const oras: number[] = [];
    const first: number[] = [];
    const again: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const registry = await startDistribution(join(folder, 'registry'));
      await rm(join(folder, 'notes'), { recursive: true, force: true });
      const ours = async () => first.push(await seconds(() => push(folder, registry.host)));
      const theirs = async () => oras.push(await seconds(() => orasPush(folder, registry.host)));
      // Whoever is first in one round is last in the next.
      for (const work of round % 2 === 0 ? [ours, theirs] : [theirs, ours]) {
        await settle();
        await work();
      }
      for (let i = 0; i < CHANGED; i++) {
        const file = files[(i * Math.floor(FILES / CHANGED) + round * 331) % FILES];
        if (file !== undefined) await appendFile(file, 'x');
      }
      await settle();
      again.push(await seconds(() => push(folder, registry.host)));
      await registry.close();
      await rm(join(folder, 'registry'), { recursive: true });
    }
    const how = `distribution v3 on this machine; median of ${ROUNDS}, taken in turn`;
    const figure = (name: string, times: readonly number[], limit: number): Figure => ({
      name,
      measured: median(times) / median(oras),
      limit,
      unit: '×',
      how,
    });
    return [
      figure('data set of 20,000 files, 1.7 GB, against tar and oras push', first, 1.2),
      figure('the same with 10 files changed all over it', again, 0.15),
    ];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Between 45 and 125 kB each, as images are, in 100 folders. */
async function makeFiles(folder: string): Promise<string[]> {
  const chunk = Buffer.alloc(125_000);
  const paths: string[] = [];
  for (let i = 0; i < 100; i++) await mkdir(join(folder, String(i)), { recursive: true });
  for (let i = 0; i < FILES; i++) {
    const path = join(folder, String(i % 100), `${i}.jpg`);
    await writeFile(path, randomFillSync(chunk).subarray(0, 45_000 + ((i * 7919) % 80_000)));
    paths.push(path);
  }
  return paths;
}

async function push(folder: string, host: string): Promise<void> {
  const place = registryPlace(folder);
  const store = openRegistry(`oci://${host}/bench/ours`, 'store', place);
  const deps = { store, notes: join(folder, 'notes'), log: place.log, signal: place.signal };
  await pushData({ path: join(folder, 'set'), name: 'set' }, deps);
}

async function orasPush(folder: string, host: string): Promise<void> {
  await run('tar', ['-cf', 'set.tar', 'set'], { cwd: folder });
  const target = `${host}/bench/oras:set`;
  await run(await tool('oras'), ['push', '--plain-http', target, 'set.tar:application/x-tar'], {
    cwd: folder,
  });
  await rm(join(folder, 'set.tar'));
}
