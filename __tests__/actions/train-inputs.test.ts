import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { putTrainer } from '../support/programs.ts';
import { runStep, type StepResult } from '../support/step.ts';

let folder: string;
let handoff: LayoutStore;
let env: Record<string, string>;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-action-smoke-'));
  handoff = new LayoutStore(join(folder, 'yard'));
  const PATH = `${dirname(await tool('uv'))}:${process.env.PATH}`;
  env = {
    PATH,
    TRAINYARD_CACHE: join(folder, 'cache'),
    TRAINYARD_CHECKPOINTS: join(folder, 'checkpoints'),
    GITHUB_EVENT_NAME: 'push',
  };
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

const WITH_SMOKE = {
  command: ['sh', 'train.sh', '${params.epochs}', '${params.rate}'],
  params: { epochs: 100, rate: 1 },
  resources: { gpus: 8, memory: 2 ** 50 },
  smoke: { params: { epochs: 1 } },
};

async function smoke(script: string, overrides: object = WITH_SMOKE): Promise<StepResult> {
  const { digest } = await putTrainer(handoff, { 'train.sh': script }, overrides);
  const inputs = { trainer: digest, handoff: handoff.location, params: 'epochs: 7\nrate: 2', smoke: 'true' };
  return runStep('train', inputs, env);
}

test('a smoke test runs with its own parameters and no GPU, and leaves no record and no checkpoint', async () => {
  const before = await handoff.names('');
  const { status, outputs, summary, stderr } = await smoke(
    'test "$1 $2" = "1 2" || exit 3; echo "gpus <$CUDA_VISIBLE_DEVICES>"; echo x > $TRAINYARD_CHECKPOINT_DIR/c; echo m > $TRAINYARD_OUTPUT_DIR/m',
  );
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(outputs).toMatchObject({ run: '', segment: '', state: 'succeeded' });
  expect(summary).toMatch(/^### ✅ toy · smoke test passed in [0-9.]+ s\n/);
  expect(summary).toContain('<code>epochs 1</code> · <code>rate 2</code>');
  const names = [...(await handoff.names('')).keys()].filter((name) => !before.has(name));
  expect(names).toEqual([expect.stringMatching(/^program-/)]);
  expect(await readdir(join(folder, 'checkpoints')).catch(() => [])).toEqual([]);
});

test('one that fails fails the step', async () => {
  const { status, outputs, summary } = await smoke('echo no such layer >&2; exit 4');
  expect({ status, run: outputs.run, state: outputs.state }).toEqual({ status: 1, run: '', state: 'failed' });
  expect(summary).toMatch(/^### ❌ toy · smoke test failed after /);
  expect(summary).toContain('no such layer');
});

test('a trainer that has none is refused, with what to write', async () => {
  const { status, stdout } = await smoke('true', { params: { epochs: 1, rate: 1 } });
  expect(status).toBe(1);
  expect(stdout).toContain('add trainer.smoke: {params: {…}} to trainyard.yml');
});

test('checkpoints are not kept in a place that ends with the job', async () => {
  for (const checkpoints of ['artifact:', 'checkpoints']) {
    const { digest } = await putTrainer(handoff, { 'train.sh': 'true' }, WITH_SMOKE);
    const { status, stdout } = await runStep(
      'train',
      { trainer: digest, handoff: handoff.location, checkpoints },
      { ...env, GITHUB_ACTIONS: 'true' },
    );
    expect(status).toBe(1);
    expect(stdout).toContain(
      `input checkpoints is "${checkpoints}", which ends with the job; give an absolute folder`,
    );
  }
});
