import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Asking } from '../../../src/train/gpus/ask.ts';
import { largeEnough, visibleDevices } from '../../../src/train/gpus/gpu.ts';
import { gpuProcesses, listGpus } from '../../../src/train/gpus/list.ts';
import { type FakeSmi, fakeNvidiaSmi, fakeTool } from '../../support/nvidia-smi.ts';

let root: string;
let smi: FakeSmi;
const asking = (path: string, changes: Partial<Asking> = {}): Asking => ({
  env: { PATH: path },
  signal: new AbortController().signal,
  limitMs: 60_000,
  ...changes,
});
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'trainyard-gpus-'));
  smi = await fakeNvidiaSmi(join(root, 'smi'), { cards: [] });
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('NVIDIA', () => {
  test.each([
    ['390', '390.157', undefined],
    ['470', '470.256.02', '11.4'],
    ['535', '535.183.01', '12.2'],
    ['580', '580.65.06', '13.0'],
  ] as const)('version %s says name, memory, driver and CUDA', async (version, driver, cuda) => {
    await smi.set({
      version,
      cards: [{ uuid: 'GPU-a' }, { uuid: 'GPU-b', name: 'Quadro M4000', memory: 8126 }],
    });
    const list = await listGpus(asking(smi.path));
    expect(list.cuda).toBe(cuda);
    expect(list.gpus).toMatchObject([
      {
        id: 'GPU-a',
        card: 'GPU-a',
        index: 0,
        name: 'NVIDIA H100 80GB HBM3',
        memoryBytes: 81559 * 2 ** 20,
        driver,
      },
      { id: 'GPU-b', index: 1, name: 'Quadro M4000', memoryBytes: 8126 * 2 ** 20 },
    ]);
    // It is sold as one of 80 GB.
    expect(largeEnough(list.gpus, 80 * 2 ** 30).map(({ id }) => id)).toEqual(['GPU-a']);
    expect(visibleDevices(list.gpus).CUDA_VISIBLE_DEVICES).toBe('GPU-a,GPU-b');
  });

  test.each(['470', '580'] as const)('version %s: a card in MIG mode is its slices', async (version) => {
    const mig = [
      { profile: '3g.40gb', uuid: 'MIG-1' },
      { profile: '1g.10gb+me', uuid: 'MIG-2' },
    ];
    await smi.set({
      version,
      cards: [{ uuid: 'GPU-a', mig }, { uuid: 'GPU-b', mig: [] }, { uuid: 'GPU-c' }],
    });
    expect((await listGpus(asking(smi.path))).gpus).toMatchObject([
      { id: 'MIG-1', card: 'GPU-a', name: 'NVIDIA H100 80GB HBM3 MIG 3g.40gb', memoryBytes: 40 * 2 ** 30 },
      { id: 'MIG-2', card: 'GPU-a', memoryBytes: 10 * 2 ** 30 },
      { id: 'GPU-c', card: 'GPU-c' },
    ]);
  });

  test('who computes, but for the server of MPS and for cards that cannot tell', async () => {
    const cards = [{ uuid: 'GPU-a', name: 'GeForce GTX 1080' }];
    const processes = [
      { gpu: 'GPU-a', pid: 7, name: '/opt/a, b/python' },
      { gpu: 'GPU-a', pid: 8, name: '/usr/bin/nvidia-cuda-mps-server' },
    ];
    await smi.set({ version: '390', cards, processes });
    const { gpus } = await listGpus(asking(smi.path));
    expect(await gpuProcesses(gpus, asking(smi.path))).toEqual([
      { card: 'GPU-a', pid: 7, name: '/opt/a, b/python' },
    ]);
  });

  test.each(['390', '535'] as const)('version %s with a driver and no card: none', async (version) => {
    await smi.set({ version, cards: [] });
    expect((await listGpus(asking(smi.path))).gpus).toEqual([]);
  });

  test('the machine’s own CUDA_VISIBLE_DEVICES narrows them', async () => {
    await smi.set({ cards: [{ uuid: 'GPU-aa1' }, { uuid: 'GPU-ab2' }, { uuid: 'GPU-bb3' }] });
    const ids = async (value: string): Promise<string[]> =>
      (await listGpus(asking(smi.path, { env: { PATH: smi.path, CUDA_VISIBLE_DEVICES: value } }))).gpus.map(
        ({ id }) => id,
      );
    expect(await ids('0,2')).toEqual(['GPU-aa1', 'GPU-bb3']);
    expect(await ids('GPU-ab')).toEqual(['GPU-ab2']);
    expect(await ids('')).toEqual([]);
    expect(await ids('-1')).toEqual([]);
  });

  test('a tool that fails says why; one that hangs has a limit', async () => {
    await smi.set({
      cards: [],
      fails: 'NVIDIA-SMI has failed because it couldn’t communicate with the NVIDIA driver.\n',
    });
    await expect(listGpus(asking(smi.path))).rejects.toThrow(
      /^nvidia-smi ended with status 9: .*communicate/,
    );
    const { path } = await fakeNvidiaSmi(join(root, 'hangs'), { cards: [], hangs: true });
    await expect(listGpus(asking(path, { limitMs: 700 }))).rejects.toThrow(
      /nvidia-smi gave no answer in 0.7 seconds: the driver of a GPU hangs.*dmesg/,
    );
  });
});

describe('AMD', () => {
  const modern = {
    'static --asic --bus --driver --vram --json': JSON.stringify([
      {
        gpu: 0,
        asic: { market_name: 'AMD Instinct MI300X' },
        bus: { bdf: '0000:05:00.0' },
        driver: { name: 'amdgpu', version: '6.8.5' },
        vram: { type: 'HBM', size: { value: 196592, unit: 'MB' } },
      },
      { gpu: 1, asic: 'N/A', bus: { bdf: '0000:26:00.0' }, driver: 'N/A', vram: 'N/A' },
    ]),
    'process --json': JSON.stringify([
      { gpu: 0, process_list: [{ process_info: 'No running processes detected' }] },
      { gpu: 1, process_list: [{ process_info: { name: 'python3', pid: 4711, mem_usage: 'N/A' } }] },
    ]),
  };

  test.each([
    ['a list', (text: string) => text],
    ['an object', (text: string) => `WARNING: old firmware\n{"gpu_data": ${text}}`],
  ])('amd-smi with %s', async (name, form) => {
    const answers = Object.fromEntries(Object.entries(modern).map(([key, text]) => [key, form(text)]));
    const path = await fakeTool(join(root, name), 'amd-smi', answers);
    const { gpus } = await listGpus(asking(path));
    expect(gpus).toEqual([
      {
        vendor: 'amd',
        id: '0',
        card: '0',
        index: 0,
        name: 'AMD Instinct MI300X',
        memoryBytes: 196592 * 2 ** 20,
        bus: '0000:05:00.0',
        driver: '6.8.5',
      },
      { vendor: 'amd', id: '1', card: '1', index: 1, name: 'AMD GPU', bus: '0000:26:00.0' },
    ]);
    expect(await gpuProcesses(gpus, asking(path))).toEqual([{ card: '1', pid: 4711, name: 'python3' }]);
    expect(visibleDevices(gpus.slice(1))).toEqual({
      ROCR_VISIBLE_DEVICES: '1',
      HIP_VISIBLE_DEVICES: '0',
      CUDA_VISIBLE_DEVICES: '0',
    });
  });

  test('rocm-smi, where there is no amd-smi', async () => {
    const path = await fakeTool(join(root, 'rocm'), 'rocm-smi', {
      '--showproductname': JSON.stringify({
        card0: {
          'Card Series': 'AMD Instinct MI250X',
          'PCI Bus': '0000:C1:00.0',
          'VRAM Total Memory (B)': '68702699520',
        },
        system: { 'Driver version': '6.3.6' },
      }),
      '--showpidgpus': '==== ROCm ====\nPID 4711 is using 2 DRM device(s):\n0 1 \n==== End ====',
    });
    const { gpus } = await listGpus(asking(path));
    expect(gpus).toMatchObject([
      {
        id: '0',
        name: 'AMD Instinct MI250X',
        memoryBytes: 68702699520,
        bus: '0000:c1:00.0',
        driver: '6.3.6',
      },
    ]);
    expect(await gpuProcesses(gpus, asking(path))).toMatchObject([{ card: '0', pid: 4711 }, { card: '1' }]);
  });
});

test('a machine with neither has none', async () => {
  expect(await listGpus(asking(join(root, 'nothing')))).toEqual({ gpus: [] });
});
