/** The examples are trained, cancelled as a runner does it, resumed and finished: the model is that of an uninterrupted training. */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { exampleData } from '../../scripts/example-data.ts';
import { tool } from '../../scripts/tools.ts';
import { torch } from '../../scripts/torch.ts';
import { parseDigest } from '../../src/lib/digest.ts';
import { toolEnvironment } from '../../src/lib/environment.ts';
import { TITLE } from '../../src/records/oci.ts';
import { OUTPUT_LAYER, run } from '../../src/records/run.ts';
import { getRecord } from '../../src/store/records.ts';
import { expectNothingLeft } from '../support/leftovers.ts';
import { type Changes, makeRepository } from '../support/project.ts';
import { cancelAsRunner } from '../support/runner-cancel.ts';
import { type Cluster, startSlurm } from '../support/slurm.ts';
import { runStep, type StepResult } from '../support/step.ts';
import { type StepMachine, stepMachine } from '../support/training-step.ts';
import { root } from '../support/workflow-files.ts';

let machine: StepMachine;
let cluster: Cluster | undefined;
let variables: Record<string, string>;
beforeAll(async () => {
  machine = await stepMachine();
  const started = await startSlurm();
  cluster = started;
  variables = {
    ...toolEnvironment(process.env),
    ...machine.env,
    ...(await torch()),
    TRAINYARD_DATA: await exampleData(),
    PATH: `${dirname(await tool('uv'))}:${started.env.PATH}`,
    SLURM_CONF: started.env.SLURM_CONF,
    GITHUB_EVENT_NAME: 'push',
  };
}, 600_000);
afterEach(() => expectNothingLeft(machine));
afterAll(async () => {
  await cluster?.stop();
  await machine.remove();
}, 60_000);

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

/** A project whose program is started by a job of Slurm. */
function bySlurm(files: () => Promise<Changes>, torchrun: string): () => Promise<Changes> {
  return async () => {
    const all = await files();
    const project = String(all['trainyard.yml'])
      .replace(/ {2}launcher: .*\n/, '')
      .replace('  timeout:', `  launcher: {slurm: {partition: main, time: 20m${torchrun}}}\n  timeout:`);
    return { ...all, 'trainyard.yml': project };
  };
}

const EXAMPLES: readonly (readonly [
  what: string,
  files: () => Promise<Changes>,
  epochs: number,
  model: string,
])[] = [
  ['digits', digits, 150, 'model.onnx'],
  ['torch', withTorch, 24, 'model.safetensors'],
  ['digits-by-slurm', bySlurm(digits, ''), 150, 'model.onnx'],
  ['torch-by-slurm', bySlurm(withTorch, ', torchrun: {processes: 2}'), 24, 'model.safetensors'],
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
    const trainer = String(built.outputs.trainer);
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
  const { manifest } = await getRecord(machine.store, run, parseDigest(String(outputs.run), 'run'));
  return manifest.layers.find(
    ({ mediaType, annotations }) => mediaType === OUTPUT_LAYER && annotations?.[TITLE] === output,
  )?.digest;
}
