import { chmod, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Entry, readEntries } from '../../../src/train/gpus/entry.ts';
import {
  type GpuLease,
  type LeaseDeps,
  type LeaseRequest,
  leaseGpus,
} from '../../../src/train/gpus/lease.ts';
import { trainingMarker } from '../../../src/train/orphans.ts';
import { type RecordingLog, recordingLog } from '../../support/log.ts';
import { type FakeSmi, fakeNvidiaSmi } from '../../support/nvidia-smi.ts';

let root: string;
let folder: string;
let smi: FakeSmi;
let log: RecordingLog;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trainyard-lease-'));
  folder = join(root, 'leases');
  log = recordingLog();
  smi = await fakeNvidiaSmi(join(root, 'smi'), { cards: [{ uuid: 'GPU-a' }, { uuid: 'GPU-b' }] });
});
afterEach(() => rm(root, { recursive: true, force: true }));

const take = async (
  count: number,
  request: Partial<LeaseRequest> = {},
  deps: Partial<LeaseDeps> = {},
): Promise<GpuLease> =>
  leaseGpus(
    { count, marker: await trainingMarker(folder), name: 'digits', ...request },
    {
      folder,
      env: { PATH: smi.path },
      signal: new AbortController().signal,
      limitMs: 60_000,
      log,
      pollMs: 20,
      ...deps,
    },
  );
const idsOf = ({ gpus }: GpuLease): string[] => gpus.map(({ id }) => id);

/** Waits until so many are in the queue or hold a GPU. */
async function entries(count: number): Promise<Entry[]> {
  for (;;) {
    const found = await readEntries(folder).catch(() => []);
    if (found.length === count && found.every(({ ticket }) => ticket !== null)) return found;
    await sleep(10);
  }
}

async function plant(file: string, changes: Partial<Entry> = {}): Promise<void> {
  const entry: Entry = {
    ticket: 1,
    wants: 1,
    gpus: ['GPU-a'],
    holder: '1-1',
    namespace: 'another machine',
    marker: 'train-0-x-1-1.x',
    name: 'far away',
    ...changes,
  };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, file), JSON.stringify(entry));
}

describe('the queue', () => {
  test('all or none, and in the order of coming: a small one does not overtake a large one', async () => {
    const first = await take(1);
    expect(idsOf(first)).toEqual(['GPU-a']);
    expect(first.visible.CUDA_VISIBLE_DEVICES).toBe('GPU-a');
    const large = take(2, { name: 'large' });
    await entries(2);
    const small = take(1, { name: 'small' });
    const waiting = await entries(3);
    // The large one has nothing while it waits, though GPU-b is free.
    expect(waiting.map(({ name, gpus }) => [name, gpus])).toEqual([
      ['digits', ['GPU-a']],
      ['large', []],
      ['small', []],
    ]);
    while (log.lines.length < 2) await sleep(10);
    expect(log.lines[0]).toBe(
      `waiting for 2 of 2 GPUs; GPU-a is leased by the training digits (process ${process.pid})`,
    );
    expect(log.lines[1]).toContain('1 training is before this one');
    await first.release();
    const both = await large;
    expect(idsOf(both)).toEqual(['GPU-a', 'GPU-b']);
    await both.release();
    await (await small).release();
    expect(await readdir(folder)).toEqual([]);
  });

  test('what fits best is taken, and less memory than is asked never', async () => {
    await smi.set({ cards: [{ uuid: 'GPU-l' }, { uuid: 'GPU-s', name: 'T4', memory: 15360 }] });
    expect(idsOf(await take(1))).toEqual(['GPU-s']);
    await expect(take(2, { memoryBytes: 80 * 2 ** 30 })).rejects.toThrow(
      /asks for 2 GPUs of 80 GiB, and this machine has 1 × NVIDIA H100 80GB HBM3 \(79.6 GiB\), 1 × T4 \(15 GiB\), 1 of them large enough. Use a runner with the label gpu-2x80gib/,
    );
  });

  test('who asks for none is shown none, and asks no tool', async () => {
    const lease = await take(0, {}, { env: { PATH: '/nowhere' } });
    expect(lease.visible.CUDA_VISIBLE_DEVICES).toBe('');
    await lease.release();
  });

  test('a limit, with who has them; a cancelled wait leaves nothing behind', async () => {
    await smi.set({
      cards: [{ uuid: 'GPU-a' }],
      processes: [{ gpu: 'GPU-a', pid: 4711, name: '/usr/bin/python3' }],
    });
    await expect(take(1, { waitSeconds: 0 })).rejects.toThrow(
      /no 1 GPUs became free .*GPU-a computes for process 4711 \(\/usr\/bin\/python3\)\. Raise the input gpu-wait/,
    );
    const control = new AbortController();
    const cancelled = take(1, {}, { signal: control.signal });
    await entries(1);
    control.abort(new Error('the job was cancelled'));
    await expect(cancelled).rejects.toThrow('the job was cancelled');
    expect(await readdir(folder)).toEqual([]);
  });

  test('a foreign process is waited for', async () => {
    const cards = [{ uuid: 'GPU-a' }];
    await smi.set({ cards, processes: [{ gpu: 'GPU-a', pid: 4711 }] });
    const lease = take(1);
    while (log.lines.length === 0) await sleep(10);
    await smi.set({ cards });
    expect(idsOf(await lease)).toEqual(['GPU-a']);
  });

  test('a process of a leased slice is none of the others; any other process is', async () => {
    const mig = ['MIG-1', 'MIG-2'].map((uuid) => ({ profile: '3g.40gb', uuid }));
    await smi.set({ cards: [{ uuid: 'GPU-a', mig }], processes: [{ gpu: 'GPU-a', pid: process.pid }] });
    await expect(take(1, { waitSeconds: 0 })).rejects.toThrow(/MIG-1 computes for process \d+ .*MIG-2/);
    await smi.set({ cards: [{ uuid: 'GPU-a', mig }] });
    expect(idsOf(await take(1))).toEqual(['MIG-1']);
    await smi.set({ cards: [{ uuid: 'GPU-a', mig }], processes: [{ gpu: 'GPU-a', pid: process.pid }] });
    expect(idsOf(await take(1))).toEqual(['MIG-2']);
  });
});

describe('the folder', () => {
  test('is for all users of the machine, whatever is in it and whatever the umask', async () => {
    const umask = process.umask(0o077);
    try {
      const lease = await take(1);
      expect((await stat(folder)).mode & 0o7777).toBe(0o1777);
      const [file = ''] = await readdir(folder);
      expect((await stat(join(folder, file))).mode & 0o777).toBe(0o644);
      await writeFile(join(folder, 'odd.json'), '{"ticket": 1');
      await chmod(join(folder, 'odd.json'), 0);
      await lease.release();
      expect(idsOf(await take(2))).toEqual(['GPU-a', 'GPU-b']);
    } finally {
      process.umask(umask);
    }
  });

  test('that is a file is refused with the fix', async () => {
    await writeFile(folder, '');
    await expect(take(1)).rejects.toThrow(/GPUs cannot be leased in .*; set TRAINYARD_LEASES/);
  });
});

describe('holders whose processes cannot be seen', () => {
  test('count while they show that they live, by our own clock', async () => {
    await smi.set({ cards: [{ uuid: 'GPU-a' }] });
    await plant('far.json');
    const file = join(folder, 'far.json');
    const lease = take(1, {}, { patienceMs: 1000 });
    let done = false;
    lease.then(
      () => {
        done = true;
      },
      () => {},
    );
    // Its clock is wrong, and jumps back.
    for (let beat = 20; beat > 0; beat--) {
      await utimes(file, beat, beat);
      await sleep(100);
    }
    expect(done).toBe(false);
    expect(idsOf(await lease)).toEqual(['GPU-a']);
    expect(await readdir(folder)).not.toContain('far.json');
  });

  test('of two that meet all the same, the later one steps back', async () => {
    await smi.set({ cards: [{ uuid: 'GPU-a' }] });
    await mkdir(folder, { recursive: true });
    // Comes into sight between the look at the leases and the taking.
    await plant('hidden', { ticket: 1 });
    const own = join(root, 'own');
    await mkdir(own);
    await writeFile(
      join(own, 'nvidia-smi'),
      `#!/bin/sh\ncase "$1" in --query-compute*) [ -e ${folder}/hidden ] && mv ${folder}/hidden ${folder}/0.json;; esac\nPATH=${smi.path} exec nvidia-smi "$@"\n`,
    );
    await chmod(join(own, 'nvidia-smi'), 0o755);
    const path = `${own}:${smi.path}`;
    const lease = take(1, {}, { env: { PATH: path }, patienceMs: 60_000 });
    while (!log.lines.some((line) => line.includes('far away'))) await sleep(10);
    const found = await readEntries(folder);
    expect(found.map(({ name, gpus }) => [name, gpus])).toEqual([
      ['far away', ['GPU-a']],
      ['digits', []],
    ]);
    await rm(join(folder, '0.json'));
    expect(idsOf(await lease)).toEqual(['GPU-a']);
  });
});
