/** The action train is killed, alone or with its machine: the post step or the next training ends and removes what it left. */
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readdir, realpath, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { holderOf, pidNamespace } from '../../src/lib/holder.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { isAbandoned } from '../../src/train/sweep.ts';
import { expectNothingLeft, type TrainingPlace } from '../support/leftovers.ts';
import { endProcessesOf } from '../support/processes.ts';
import { putTrainer } from '../support/programs.ts';
import { loseHost } from '../support/runner-cancel.ts';
import { runStep, type StepResult } from '../support/step.ts';
import { isAlive } from '../support/training.ts';

let place: TrainingPlace;
let env: Record<string, string>;
let trainer: string;

/** Leaves the session and empties its environment, as daemons do; then works for ever, or ends at once. */
const SCRIPT = `
if [ "$1" = once ]; then echo model > $TRAINYARD_OUTPUT_DIR/m; exit; fi
setsid sleep 1001 &
env -i sleep 1002 &
echo "working $!"
sleep 1003`;

beforeAll(async () => {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-lost-')));
  place = { root, leases: join(root, 'leases'), yard: join(root, 'yard') };
  const PATH = `${dirname(await tool('uv'))}:${process.env.PATH}`;
  env = { PATH, TRAINYARD_CACHE: join(root, 'cache'), TRAINYARD_LEASES: place.leases };
  const overrides = { command: ['sh', 'train.sh', '${params.how}'], params: { how: 'once' } };
  ({ digest: trainer } = await putTrainer(new LayoutStore(place.yard), { 'train.sh': SCRIPT }, overrides));
}, 120_000);
afterEach(() => expectNothingLeft(place));
afterAll(async () => {
  await endProcessesOf(place.root);
  await rm(place.root, { recursive: true, force: true });
});

function train(
  how: 'once' | 'on',
  whenWorking: (step: ChildProcess) => unknown = () => {},
): Promise<StepResult> {
  let seen = false;
  const inputs = { trainer, handoff: place.yard, params: JSON.stringify({ how }) };
  return runStep('train', inputs, env, (step, printed) => {
    step.stdout?.on('data', () => {
      if (seen || !printed().includes('working ')) return;
      seen = true;
      whenWorking(step);
    });
  });
}

const post = ({ state }: StepResult): Promise<StepResult> => runStep('train-post', {}, { ...env, ...state });

describe('an action that was killed alone', () => {
  test('is tidied up after by its post step', async () => {
    const killed = await train('on', (step) => step.kill('SIGKILL'));
    expect(isAlive(Number(/working (\d+)/.exec(killed.stdout)?.[1]))).toBe(true);
    expect(await readdir(join(place.yard, 'tmp'))).toHaveLength(1);
    const { status, stdout, summary } = await post(killed);
    expect({ status, summary }).toEqual({ status: 0, summary: '' });
    expect(stdout).toMatch(/::warning::a training that was killed left processes running.*\(sleep 1003\)/);
    expect(stdout).toContain('the workspace of the training is removed');
  });

  test('has a post step that finds nothing to do when all went well, and that never fails', async () => {
    const done = await train('once');
    expect(done.status).toBe(0);
    expect(await post(done)).toMatchObject({ status: 0, stderr: '', summary: '' });
    expect(await post({ ...done, state: { STATE_left: '{"workspace":"/etc","leases":' } })).toMatchObject({
      status: 0,
    });
  });
});

test('a host that was lost with all that ran on it leaves nothing that the next training does not remove', async () => {
  await train('on', () => loseHost(place.root));
  expect(await readdir(join(place.yard, 'tmp'))).toHaveLength(1);
  const next = await train('once');
  expect(next).toMatchObject({ status: 0, outputs: { state: 'succeeded' } });
  expect(next.stdout).toContain(`the workspace of a training that was killed is removed: ${place.yard}/tmp/`);
});

describe('a folder is a killed training’s workspace', () => {
  const made = async (holder: string | undefined, ageMs = 0): Promise<boolean> => {
    const folder = join(place.root, 'folder');
    await mkdir(folder);
    try {
      const time = new Date(Date.now() - ageMs);
      if (holder !== undefined) await writeFile(join(folder, 'holder'), holder);
      if (holder !== undefined) await utimes(join(folder, 'holder'), time, time);
      return await isAbandoned(folder, Date.now());
    } finally {
      await rm(folder, { recursive: true });
    }
  };
  const DAY_MS = 86_400_000;

  test('when it names a process of this machine that has ended, whatever the clock says', async () => {
    const [self, here] = [await holderOf(process.pid), await pidNamespace()];
    expect(await made(`${self} ${here}`, 30 * DAY_MS)).toBe(false);
    expect(await made(`${self} ${here}`, -30 * DAY_MS)).toBe(false);
    expect(await made(`${self}1 ${here}`, -30 * DAY_MS)).toBe(true);
  });

  test('when another machine has shown no sign of life in it for a day', async () => {
    expect(await made('1-1 another machine')).toBe(false);
    expect(await made('1-1 another machine', -30 * DAY_MS)).toBe(false);
    expect(await made('1-1 another machine', 2 * DAY_MS)).toBe(true);
  });

  test('never without saying who works in it', async () => {
    expect(await made(undefined)).toBe(false);
    expect(await isAbandoned('/etc/hostname', Date.now())).toBe(false);
  });
});
