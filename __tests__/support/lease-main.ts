/** A training of its own process: takes GPUs, says so, and has a descendant. Arguments: folder of leases, PATH, count, what it does then. */
import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGroup } from '../../src/lib/process.ts';
import { leaseGpus } from '../../src/train/gpus/lease.ts';
import { trainingMarker } from '../../src/train/orphans.ts';
import { recordingLog } from './log.ts';

const [folder = '', path = '', count = '1', what = 'hold', root = ''] = process.argv.slice(2);
const deps = {
  folder,
  env: { PATH: path },
  signal: new AbortController().signal,
  log: recordingLog(),
  pollMs: 20,
};

async function hold(): Promise<void> {
  const marker = await trainingMarker(folder);
  console.log('waits');
  const lease = await leaseGpus({ count: Number(count), marker, name: 'of another process' }, deps);
  const group = await startGroup(['sh', '-c', 'setsid sleep 1000 & echo $!; wait'], {
    cwd: '/',
    env: { PATH: path },
    marker,
  });
  group.stdout.on('data', (pid) => console.log(`has ${lease.gpus.map(({ id }) => id)} ${group.pid} ${pid}`));
  await sleep(600_000);
}

/** Takes and releases again and again; a GPU that somebody else has at the same time is an error. */
async function compete(): Promise<void> {
  for (let round = 0; round < 4; round++) {
    const marker = await trainingMarker(folder);
    const lease = await leaseGpus({ count: 1 + (round % 2), marker, name: 'competes' }, deps);
    const places = lease.gpus.map(({ id }) => join(root, id));
    for (const place of places) mkdirSync(place);
    await sleep(20);
    for (const place of places) rmdirSync(place);
    await lease.release();
  }
}

await (what === 'compete' ? compete() : hold());
