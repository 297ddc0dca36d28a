/** The examples are trained, cancelled as a runner does it, resumed and finished: the model is that of an uninterrupted training. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { exampleData } from '../../scripts/example-data.ts';
import { torch } from '../../scripts/torch.ts';
import { parseDigest } from '../../src/lib/digest.ts';
import { toolEnvironment } from '../../src/lib/environment.ts';
import { TITLE } from '../../src/records/oci.ts';
import { OUTPUT_LAYER, run } from '../../src/records/run.ts';
import { getRecord } from '../../src/store/records.ts';
import { expectNothingLeft } from '../support/leftovers.ts';
import { type Changes, makeRepository } from '../support/project.ts';
import { cancelAsRunner } from '../support/runner-cancel.ts';
import { runStep, type StepResult } from '../support/step.ts';
import { type StepMachine, stepMachine } from '../support/training-step.ts';
import { root } from '../support/workflow-files.ts';

let machine: StepMachine;
let variables: Record<string, string>;
beforeAll(async () => {
  machine = await stepMachine();
  variables = {
    ...toolEnvironment(process.env),
    ...machine.env,
    ...(await torch()),
    TRAINYARD_DATA: await exampleData(),
    GITHUB_EVENT_NAME: 'push',
  };
}, 600_000);
afterEach(() => expectNothingLeft(machine));
afterAll(() => machine.remove());

const read = (path: string): Promise<string> => readFile(join(root, path), 'utf8');

/** The files of an example as a user's repository. */
async function digits(): Promise<Changes> {
  const names = [
    'train.py',
    'serve.py',
    'requirements.txt',
    'serve-requirements.txt',
    'MODEL.md',
    'config.schema.json',
  ];
  const files = names.map(async (name) => [name, await read(`examples/digits/${name}`)] as const);
  return {
    ...Object.fromEntries(await Promise.all(files)),
    'trainyard.yml': await read('examples/digits/trainyard.yml'),
  };
}

/** The same of the other, with the PyTorch of this machine in the place of the wheels for CUDA. */
async function withTorch(): Promise<Changes> {
  const locked = await read('scripts/requirements/torch-frameworks.txt');
  const requirements = ['numpy', 'pyyaml', 'safetensors', 'typing-extensions'].map(
    (name) => new RegExp(`^${name}==(?:.*\\\\\\n)+.*\\n`, 'm').exec(locked)?.[0],
  );
  const project = await read('examples/torch/trainyard.yml');
  return {
    'train.py': await read('examples/torch/train.py'),
    'MODEL.md': await read('examples/torch/MODEL.md'),
    'requirements.txt': requirements.join(''),
    'trainyard.yml': project.replace('  timeout:', '  env: [PYTHONPATH, LD_LIBRARY_PATH]\n  timeout:'),
  };
}

/** The other, started by the torchrun of its own command. */
async function byOwnTorchrun(): Promise<Changes> {
  const files = await withTorch();
  const torchrun =
    'python -m torch.distributed.run --nproc_per_node=2 --rdzv_backend=c10d --rdzv_endpoint=localhost:0';
  const project = String(files['trainyard.yml'])
    .replace('command: python train.py', `command: ${torchrun} train.py`)
    .replace(/ {2}launcher: .*\n/, '');
  return { ...files, 'trainyard.yml': project };
}

const EXAMPLES: readonly (readonly [
  what: string,
  files: () => Promise<Changes>,
  epochs: number,
  model: string,
])[] = [
  ['digits', digits, 150, 'model.onnx'],
  ['torch', withTorch, 40, 'model.safetensors'],
  ['torch-by-its-command', byOwnTorchrun, 30, 'model.safetensors'],
];

test.each(EXAMPLES)(
  '%s',
  async (name, files, epochs, model) => {
    const repository = await makeRepository(join(machine.root, name), { files: await files() });
    const params = { epochs };
    const built = await runStep(
      'build',
      { project: '.', handoff: machine.yard, store: machine.yard, params: JSON.stringify(params) },
      { ...machine.env, GITHUB_WORKSPACE: repository.folder },
    );
    expect(built).toMatchObject({ status: 0 });
    const trainer = built.outputs.trainer ?? '';
    const step = (how: Parameters<StepMachine['step']>[1]) =>
      machine.step(trainer, { params, env: variables, ...how });

    const cancelled = await step({ sign: 'epoch 2/', when: cancelAsRunner });
    expectEnd(cancelled, 'cancelled 1');
    expect(await machine.post(cancelled)).toMatchObject({ status: 0 });
    const resumed = await step({});
    expectEnd(resumed, 'succeeded 0');
    expect(resumed.stdout).not.toMatch(/^epoch 1\//m);

    const elsewhere = join(machine.root, `${name}-checkpoints`);
    const whole = await step({ inputs: { checkpoints: elsewhere } });
    expectEnd(whole, 'succeeded 0');
    expect(whole.stdout).toMatch(/^epoch 1\//m);
    expect(await digestOf(resumed, model)).toBe(await digestOf(whole, model));
  },
  300_000,
);

/** Its status and its state; what it said is told when they are others. */
function expectEnd({ status, outputs, stdout, stderr }: StepResult, expected: string): void {
  const found = `${outputs.state} ${status}`;
  if (found !== expected)
    throw new Error(`${found}, not ${expected}:\n${stdout.slice(-5000)}${stderr.slice(-2000)}`);
}

async function digestOf({ outputs }: StepResult, output: string): Promise<string | undefined> {
  const { manifest } = await getRecord(machine.store, run, parseDigest(outputs.run ?? '', 'run'));
  return manifest.layers.find(
    ({ mediaType, annotations }) => mediaType === OUTPUT_LAYER && annotations?.[TITLE] === output,
  )?.digest;
}
