/** What Slurm and torchrun are told, word by word: on these machines there are no GPUs and one node. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import type { Launcher } from '../../../src/records/program.ts';
import { parseState, sayOf } from '../../../src/train/launchers/slurm/says.ts';
import { batchScript, environmentScript, submitOptions } from '../../../src/train/launchers/slurm/script.ts';
import { torchrunCommand } from '../../../src/train/launchers/torchrun.ts';

type Slurm = Extract<Launcher, { kind: 'slurm' }>;
const slurm = (more: Partial<Slurm> = {}): Slurm => ({
  kind: 'slurm',
  nodes: 1,
  tasks: 1,
  gpus: 0,
  options: [],
  ...more,
});
const files = { script: '/w/job.sh', environment: '/w/env.sh', log: '/w/50%/log', state: "/w/it's/state" };
const lineOf = (script: string, word: string): string =>
  script.split('\n').find((line) => line.includes(word)) ?? '';

describe('sbatch', () => {
  test('gets nodes, tasks, GPUs, processors, partition and time; the project’s own options come first', () => {
    const all = slurm({
      nodes: 2,
      tasks: 3,
      gpus: 4,
      cpus: 5,
      partition: 'gpu',
      timeSeconds: 5400,
      options: ['--account=x'],
    });
    const options = submitOptions(all, 'job', '/w/source', files);
    expect(options[0]).toBe('--account=x');
    for (const option of [
      '--nodes=2',
      '--ntasks-per-node=3',
      '--gpus-per-node=4',
      '--cpus-per-task=5',
      '--partition=gpu',
      '--time=90',
      '--signal=B:USR1@90',
      '--export=NIL',
      '--no-requeue',
      '--output=/w/50%%/log',
    ])
      expect(options).toContain(option);
  });

  test('is asked for no GPU where none is wanted, and torchrun is one task of each node', () => {
    const options = submitOptions(slurm({ tasks: 4, torchrun: { restarts: 0 } }), 'job', '/w', files);
    expect(options.filter((option) => option.startsWith('--gpus'))).toEqual([]);
    expect(options).toContain('--ntasks-per-node=1');
  });
});

describe('the script', () => {
  test('has every word of the command as it is, whatever it holds', async () => {
    const odd = ["it's", '$(touch /tmp/PWN)', 'a b', '`x`', '\n', '"', ''];
    const script = batchScript(slurm(), ['printf', '[%s]', ...odd], files);
    const line = lineOf(script.replaceAll('\n\n', '\n'), 'srun');
    expect(line).toContain("srun --export=ALL --kill-on-bad-exit=1 'printf' '[%s]'");
    const words = script.slice(script.indexOf("'printf'"), script.indexOf(' &\nprogram'));
    const { stdout } = await promisify(execFile)('sh', ['-c', words]);
    expect(stdout).toBe(odd.map((word) => `[${word}]`).join(''));
  });

  test('reads the environment as it is, and leaves out what no shell can name', async () => {
    const env = { A: "it's $HOME `x`\n2", 'B.C': 'x' };
    const { stdout } = await promisify(execFile)('sh', [
      '-c',
      `${environmentScript(env)}printf %s "$A"; env | grep -cF 'B.C=' || true`,
    ]);
    expect(stdout).toBe(`${env.A}0\n`);
  });

  test('meets at the first of several nodes', () => {
    const script = batchScript(
      slurm({ nodes: 2, gpus: 4, torchrun: { restarts: 3 } }),
      ['python', 'train.py', '--x=1'],
      files,
    );
    expect(lineOf(script, 'meeting=')).toContain('scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1');
    expect(lineOf(script, 'srun')).toContain(
      `'python' '-m' 'torch.distributed.run' '--nnodes=2' '--rdzv_backend=c10d' '--rdzv_id=trainyard' --rdzv_endpoint="$meeting" '--nproc_per_node=4' '--max_restarts=3' 'train.py' '--x=1'`,
    );
  });
});

describe('torchrun', () => {
  const options = { processes: 2, restarts: 1 };
  test.each([
    [
      ['python', 'train.py', '--a'],
      ['--max_restarts=1', 'train.py', '--a'],
    ],
    [
      ['/venv/bin/python3.11', '-u', '-m', 'pkg.train'],
      ['--max_restarts=1', '--module', 'pkg.train'],
    ],
  ])('starts %j', (command, end) => {
    const words = torchrunCommand(command, options);
    expect(words[0]).toBe(command[0]);
    expect(words).toContain('--rdzv_endpoint=localhost:0');
    expect(words.slice(-end.length)).toEqual(end);
  });

  test.each([[['sh', 'train.sh']], [['python']], [['python', '-u']]])('refuses %j', (command) => {
    expect(() => torchrunCommand(command, options)).toThrow('trainer.command is');
  });
});

describe('what Slurm says of an end', () => {
  const ended = parseState('began n1\nended 0\n');
  test.each([
    [{ state: 'COMPLETED', reason: '' }, ended, undefined],
    [{ state: 'OUT_OF_MEMORY', reason: '' }, ended, 'out-of-memory'],
    [{ state: 'TIMEOUT', reason: '' }, parseState('began n1\n'), 'stopped'],
    [{ state: 'PREEMPTED', reason: '' }, parseState('began n1\n'), 'stopped'],
    [{ state: 'NODE_FAIL', reason: '' }, parseState('began n1\n'), 'lost'],
    [{ state: 'CANCELLED', reason: '' }, parseState(''), 'cancelled'],
    [{ state: 'FAILED', reason: '' }, parseState('began n1\nended 1\n'), undefined],
    [undefined, parseState('began n1\nended'), 'lost'],
  ])('%j', (last, script, what) => {
    expect(sayOf('12', last, script)?.what).toBe(what);
  });

  test.each([0, 143])(
    'a warning is the moment when it was asked to stop, also if it ends with %d',
    (status) => {
      const script = parseState(`job 12\nbegan n1\nwarned 1700000000\nended ${status}\n`);
      const asked = { what: 'stopped', askedAt: 1_700_000_000_000 };
      expect(sayOf('12', { state: 'COMPLETED', reason: '' }, script)).toMatchObject(asked);
    },
  );

  test('of one that was preempted, or lost with its node, any checkpoint counts', () => {
    for (const state of ['PREEMPTED', 'NODE_FAIL', 'TIMEOUT'])
      expect(sayOf('12', { state, reason: '' }, parseState('began n1\n'))).toMatchObject({ askedAt: 0 });
  });
});
