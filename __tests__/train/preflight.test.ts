/** What is found of a machine before a training, all at once. */
import { mkdir, mkdtemp, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { lookAtMemory } from '../../src/train/preflight/room.ts';
import { lookAtRunner } from '../../src/train/preflight/runner.ts';
import { lookAtWorkFolder } from '../../src/train/preflight/work-folder.ts';
import { fakeNvidiaSmi } from '../support/nvidia-smi.ts';
import { type TrainingMachine, trainingMachine } from '../support/training.ts';

const GIB = 2 ** 30;
let folder: string;
let machine: TrainingMachine;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-preflight-'));
  machine = await trainingMachine();
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await machine.remove();
});

describe('fault 8: the work folder', () => {
  const make = async (name: string): Promise<string> => {
    const path = join(folder, name);
    await mkdir(path);
    return path;
  };

  test('is empty, as it should be', async () => {
    expect(await lookAtWorkFolder(await make('empty'), true)).toMatchObject([{ verdict: 'ok' }]);
    expect(await lookAtWorkFolder(undefined, true)).toEqual([]);
  });

  test('holds a file and a link: they are named and refused, by the training too, before anything is fetched', async () => {
    const path = await make('planted');
    await writeFile(join(path, 'sitecustomize.py'), '');
    await symlink('/etc', join(path, 'data'));
    const [found] = await lookAtWorkFolder(path, false);
    expect(found).toMatchObject({ verdict: 'refused' });
    expect(found?.found).toMatch(
      /data \(a link\), sitecustomize\.py in|sitecustomize\.py, data \(a link\) in/,
    );
    const training = machine.train(
      { 'train.sh': 'exit 0' },
      { command: ['sh', 'train.sh'] },
      {},
      { workFolder: path },
    );
    await expect(training).rejects.toThrow(
      /this machine cannot train this: work folder: .*sitecustomize\.py/,
    );
    expect(await machine.leftovers()).toEqual([]);
  });

  test('holds a checkout: a warning, and a refusal where a runner is to be for a single job', async () => {
    const path = await make('checkout');
    await mkdir(join(path, '.git'));
    await symlink('/etc', join(path, 'data'));
    expect(await lookAtWorkFolder(path, false)).toMatchObject([
      { verdict: 'warning', found: expect.stringContaining('data (a link)') },
    ]);
    expect(await lookAtWorkFolder(path, true)).toMatchObject([{ verdict: 'refused' }]);
  });
});

describe('the runner', () => {
  const env = { GITHUB_ACTIONS: 'true', RUNNER_ENVIRONMENT: 'self-hosted' };
  test.each([
    ['2.340.1', true, false, ['ok', 'ok']],
    ['2.336.0', false, false, ['warning', 'ok']],
    ['2.335.9', undefined, true, ['refused', 'warning']],
    [undefined, true, true, ['ok', 'ok']],
  ])('version %s, for a single job: %s; must be: %s', async (version, isSingleUse, must, verdicts) => {
    const found = await lookAtRunner(env, must, async () => ({ version, isSingleUse }));
    expect(found.map(({ verdict }) => verdict)).toEqual(verdicts);
  });

  test('of GitHub is for a single job, and there is none outside a job', async () => {
    expect(await lookAtRunner({ ...env, RUNNER_ENVIRONMENT: 'github-hosted' }, true)).toMatchObject([
      { verdict: 'ok' },
    ]);
    expect(await lookAtRunner({}, true)).toEqual([]);
  });

  test('is looked for above this process, and here there is none', async () => {
    expect(await readlink('/proc/self/exe')).not.toContain('Runner.Worker');
    expect(await lookAtRunner(env, false)).toMatchObject([{ verdict: 'warning' }, { found: 'unknown' }]);
  });
});

test('memory counts as far as the control group lets it', () => {
  expect(lookAtMemory({ memory: 4 * GIB }, 2 * GIB)).toEqual([
    {
      what: 'memory',
      asked: '4 GiB',
      found: '2 GiB',
      verdict: 'refused',
      fix: 'use a runner with the label memory-4gib, or change trainer.resources.memory',
    },
  ]);
  expect(lookAtMemory({}, 2 * GIB)).toMatchObject([{ found: '2 GiB', verdict: 'ok' }]);
});

describe('a training with GPUs', () => {
  const script = {
    'train.sh': 'echo "sees $CUDA_VISIBLE_DEVICES"; sleep 1.5; env > "$TRAINYARD_OUTPUT_DIR/env"',
  };
  const train = async (resources: Record<string, number>) => {
    const smi = await fakeNvidiaSmi(join(folder, `smi-${Object.keys(resources).length}-${resources.gpus}`), {
      cards: [
        { uuid: 'GPU-a', use: 50, used: 1024, power: 100 },
        { uuid: 'GPU-b', use: 50, used: 1024, power: 100 },
      ],
    });
    const env = { ...machine.deps.env, PATH: smi.path };
    return machine.train(script, { command: ['sh', 'train.sh'], resources }, {}, { env });
  };

  test('all that is missing is told at once, with the labels of runners that would do', async () => {
    const asked = { gpus: 4, 'gpu-memory': 80 * GIB, memory: 2 ** 50, disk: 2 ** 60 };
    const error = await train(asked).catch((found: Error) => found);
    expect(error).toHaveProperty('name', 'UserError');
    const { message } = error as Error;
    expect(message).toMatch(/GPUs: asked for 4 GPUs of 80 GiB, found 2 × NVIDIA H100/);
    expect(message).toMatch(/label gpu-4x80gib/);
    expect(message).toMatch(/memory: asked for .*label memory-/);
    expect(message).toMatch(/disk: asked for .*label disk-/);
  });

  test('sees those it leased, and its Run tells them and what they used', async () => {
    const result = await train({ gpus: 1 });
    expect(await machine.output(result, 'env')).toMatch(/^CUDA_VISIBLE_DEVICES=GPU-[ab]$/m);
    const { config } = result.run;
    expect(config.machine.gpus).toMatchObject([{ name: 'NVIDIA H100 80GB HBM3' }]);
    expect(config.segments.at(-1)?.usage).toMatchObject({
      gpus: 1,
      gpuUse: 0.5,
      gpuMemoryPeakBytes: 1024 * 2 ** 20,
      memoryPeakBytes: expect.any(Number),
      energyJoules: expect.any(Number),
    });
    expect(result.findings.map(({ what }) => what)).toContain('driver');
  });

  test('that asks for none sees none', async () => {
    const result = await train({});
    expect(await machine.output(result, 'env')).toMatch(/^CUDA_VISIBLE_DEVICES=$/m);
    expect(result.run.config.segments.at(-1)?.usage).toMatchObject({ gpus: 0 });
  });
});
