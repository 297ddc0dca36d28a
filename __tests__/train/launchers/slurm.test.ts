/** The launcher slurm with commands that only look like Slurm's; the real ones are in __tests__/engines. */
import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Launcher, TrainerConfig } from '../../../src/records/program.ts';
import { startSlurm } from '../../../src/train/launchers/slurm/slurm.ts';
import { type FakeSlurm, fakeSlurm } from '../../support/fake-slurm.ts';
import { isAlive, type TrainingMachine, trainingMachine } from '../../support/training.ts';

const launcher: Extract<Launcher, { kind: 'slurm' }> = {
  kind: 'slurm',
  nodes: 1,
  tasks: 1,
  gpus: 0,
  options: ['--account=x'],
};
let machine: TrainingMachine;
let slurm: FakeSlurm;
beforeEach(async () => {
  machine = await trainingMachine();
  slurm = await fakeSlurm(join(machine.root, 'slurm'));
});
afterEach(() => machine.remove());

const train = (script: string, signal = machine.deps.signal, changes: Partial<TrainerConfig> = {}) =>
  machine.train(
    { 'train.sh': script },
    { command: ['sh', 'train.sh'], launcher, ...changes },
    {},
    { env: { ...machine.deps.env, ...slurm.env }, signal },
  );
const pidIn = (): number => Number(/pid (\d+)/.exec(machine.printed())?.[1] ?? 0);

test('a job gives its Run, its log and its metrics', async () => {
  const result = await train(
    'echo "hello from $SLURM_JOB_ID"; echo "{\\"step\\":1,\\"loss\\":0.5}" >> $TRAINYARD_METRICS_FILE; echo model > $TRAINYARD_OUTPUT_DIR/m',
  );
  expect(result.run.config).toMatchObject({ state: 'succeeded', metrics: { loss: 0.5 } });
  expect(await machine.output(result, 'm')).toBe('model\n');
  expect(machine.printed()).toContain('hello from 7');
  expect(await slurm.options()).toEqual(expect.arrayContaining(['--account=x', '--export=NIL']));
});

test('a program that fails fails the training, with its status', async () => {
  const { run } = await train('echo no; exit 3');
  expect(run.config).toMatchObject({ state: 'failed', segments: [{ status: 3 }] });
});

test('a cancelled training leaves no job, and keeps its checkpoint', async () => {
  const cancel = new AbortController();
  const training = train(
    'trap "echo 5 > $TRAINYARD_CHECKPOINT_DIR/.c; mv $TRAINYARD_CHECKPOINT_DIR/.c $TRAINYARD_CHECKPOINT_DIR/step-5; exit 9" TERM; echo "pid $$"; while :; do sleep 0.1; done',
    cancel.signal,
  );
  while (pidIn() === 0) await sleep(50);
  cancel.abort(new Error('cancelled'));
  const { run } = await training;
  expect(run.config).toMatchObject({ state: 'cancelled', checkpoint: { name: 'step-5' } });
  expect(isAlive(pidIn())).toBe(false);
});

test('one that is silent has hung, though Slurm says that it was cancelled', async () => {
  const { run } = await train('trap : TERM; while :; do sleep 0.1; done', undefined, { silenceSeconds: 1 });
  expect(run.config).toMatchObject({ state: 'hung' });
});

test('a controller that is away for a while costs nothing', async () => {
  const training = train(
    'echo "pid $$"; while [ ! -e ../../go ]; do sleep 0.1; done; echo model > $TRAINYARD_OUTPUT_DIR/m',
  );
  while (pidIn() === 0) await sleep(50);
  await slurm.setDown(true);
  await sleep(1000);
  await slurm.setDown(false);
  await writeFile(join(machine.deps.jobs, 'go'), '');
  expect((await training).run.config.state).toBe('succeeded');
});

test('a log that cannot be read any more fails the training, and leaves no job', async () => {
  const bin = join(machine.root, 'slurm/bin');
  const pid = join(machine.root, 'pid');
  await rename(join(bin, 'sbatch'), join(bin, 'submit'));
  const noLog = `#!/bin/sh
'${bin}/submit' "$@" || exit
for word; do case "$word" in --output=*) log=\${word#--output=};; esac; done
until [ -s "$log" ]; do sleep 0.1; done
rm "$log"; mkdir "$log"\n`;
  await writeFile(join(bin, 'sbatch'), noLog, { mode: 0o755 });
  await expect(train(`echo $$ > ${pid}; echo begun; exec sleep 30`)).rejects.toThrow('EISDIR');
  expect(isAlive(Number(await readFile(pid, 'utf8')))).toBe(false);
  expect(await slurm.state()).toBe('CANCELLED');
});

test('a job that prints much at once begins, and who reads no more of it can end it still', async () => {
  const root = join(machine.root, 'job');
  await mkdir(root);
  const { env } = slurm;
  const { log, signal } = machine.deps;
  const started = await startSlurm(
    launcher,
    ['sh', '-c', 'head -c 1000000 /dev/zero; exec sleep 30'],
    { cwd: root, env, marker: 'x', root },
    { machine: env, log, name: 'x', signal },
  );
  started.stdout.destroy();
  await started.end(0);
  expect(await started.exited).toMatchObject({ status: null });
  expect(await slurm.state()).toBe('CANCELLED');
});

test('what Slurm refuses, and a machine without it, is told as the user’s to mend', async () => {
  const refused = train('', undefined, { launcher: { ...launcher, options: ['--account=unknown'] } });
  await expect(refused).rejects.toThrow(/Slurm does not take the job.*Invalid account/);
  const bin = join(machine.root, 'bin');
  await mkdir(bin);
  for (const [name, path] of [
    ['python3', '/usr/bin/python3'],
    ['sh', '/bin/sh'],
  ] as const)
    await symlink(path, join(bin, name));
  const bare = { ...machine.deps.env, PATH: bin };
  const training = machine.train(
    { 'train.sh': '' },
    { command: ['sh', 'train.sh'], launcher },
    {},
    { env: bare },
  );
  await expect(training).rejects.toThrow(/sbatch cannot be started.*may submit jobs/);
});
