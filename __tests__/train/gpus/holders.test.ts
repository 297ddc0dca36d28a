/** Holders that are killed, and many that want the same GPUs at once: each a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readEntries } from '../../../src/train/gpus/entry.ts';
import { leaseGpus } from '../../../src/train/gpus/lease.ts';
import { trainingMarker } from '../../../src/train/orphans.ts';
import { recordingLog } from '../../support/log.ts';
import { type FakeSmi, fakeNvidiaSmi } from '../../support/nvidia-smi.ts';
import { endProcessesOf } from '../../support/processes.ts';
import { isAlive } from '../../support/training.ts';

let root: string;
let folder: string;
let smi: FakeSmi;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trainyard-holders-'));
  folder = join(root, 'leases');
  smi = await fakeNvidiaSmi(join(root, 'smi'), { cards: [{ uuid: 'GPU-a' }] });
});
afterEach(async () => {
  await endProcessesOf(root);
  await rm(root, { recursive: true, force: true });
});

const other = (count: number, what: string): ChildProcess =>
  spawn(
    process.execPath,
    [join(import.meta.dirname, '../../support/lease-main.ts'), folder, smi.path, `${count}`, what, root],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );

async function lineOf(child: ChildProcess, begin: string): Promise<string> {
  let text = '';
  for (;;) {
    const line = text.split('\n').find((one) => one.startsWith(begin));
    if (line !== undefined && text.includes(`${line}\n`)) return line;
    const [chunk] = await once(child.stdout ?? child, 'data');
    text += String(chunk);
  }
}

test('a lease ends with its holder, who was killed, and so does what the holder left running', async () => {
  const holder = other(1, 'hold');
  const [, gpus, leader, daemon] = (await lineOf(holder, 'has')).split(' ');
  expect(gpus).toBe('GPU-a');
  const waiter = other(1, 'hold');
  while ((await readEntries(folder)).filter(({ ticket }) => ticket !== null).length < 2) await sleep(10);

  // The first in the queue is killed, too: it keeps nobody from being next.
  waiter.kill('SIGKILL');
  await once(waiter, 'exit');
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  expect(isAlive(Number(daemon))).toBe(true);

  const lease = await leaseGpus(
    { count: 1, marker: await trainingMarker(folder), name: 'next' },
    {
      folder,
      env: { PATH: smi.path },
      signal: new AbortController().signal,
      log: recordingLog(),
      pollMs: 20,
    },
  );
  expect(lease.gpus).toMatchObject([{ id: 'GPU-a' }]);
  expect([leader, daemon].map((pid) => isAlive(Number(pid)))).toEqual([false, false]);
  expect(await readdir(folder)).toHaveLength(1);
  await lease.release();
}, 60_000);

test('no GPU is had twice, however many want it at once', async () => {
  await smi.set({ cards: [{ uuid: 'GPU-a' }, { uuid: 'GPU-b' }, { uuid: 'GPU-c' }] });
  const ends = await Promise.all([1, 2, 3, 4].map(async () => once(other(1, 'compete'), 'exit')));
  expect(ends.map(([status]) => status)).toEqual([0, 0, 0, 0]);
  expect(await readdir(folder)).toEqual([]);
}, 90_000);
