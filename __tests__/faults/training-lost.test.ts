/** The action train is killed, alone or with its machine: the post step or the next training ends and removes what it left. */
import type { ChildProcess } from 'node:child_process';
import { mkdir, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { holderOf, pidNamespace } from '../../src/lib/holder.ts';
import { isAbandoned } from '../../src/train/sweep.ts';
import { expectNothingLeft } from '../support/leftovers.ts';
import { fakeNvidiaSmi } from '../support/nvidia-smi.ts';
import { loseHost } from '../support/runner-cancel.ts';
import type { StepResult } from '../support/step.ts';
import { isAlive } from '../support/training.ts';
import { type StepMachine, stepMachine } from '../support/training-step.ts';

let place: StepMachine;
let trainer: string;
/** The one GPU of the machine is leased by each training. */
let withGpu: Record<string, string>;

/** Leaves the session and empties its environment, as daemons do; then works for ever, or ends at once. */
const SCRIPT = `
if [ "$1" = once ]; then echo model > $TRAINYARD_OUTPUT_DIR/m; exit; fi
setsid sleep 1001 &
env -i sleep 1002 &
echo "working $!"
sleep 1003`;

beforeAll(async () => {
  place = await stepMachine();
  await fakeNvidiaSmi(join(place.root, 'smi'), { cards: [{ uuid: 'GPU-a' }] });
  withGpu = { PATH: `${join(place.root, 'smi', 'bin')}:${place.env.PATH}` };
  const overrides = {
    command: ['sh', 'train.sh', '${params.how}'],
    params: { how: 'once' },
    resources: { gpus: 1 },
  };
  trainer = await place.trainer({ 'train.sh': SCRIPT }, overrides);
}, 120_000);
afterEach(() => expectNothingLeft(place));
afterAll(() => place.remove());

const once = (): Promise<StepResult> => place.step(trainer, { env: withGpu });
const killed = (when: (step: ChildProcess) => unknown): Promise<StepResult> =>
  place.step(trainer, { env: withGpu, params: { how: 'on' }, sign: 'working ', when });

describe('an action that was killed alone', () => {
  test('is tidied up after by its post step', async () => {
    const step = await killed((one) => one.kill('SIGKILL'));
    expect(isAlive(Number(/working (\d+)/.exec(step.stdout)?.[1]))).toBe(true);
    expect(await readdir(join(place.yard, 'tmp'))).toHaveLength(1);
    expect(await readdir(place.leases)).toHaveLength(1);
    const { status, stdout, summary } = await place.post(step);
    expect({ status, summary }).toEqual({ status: 0, summary: '' });
    expect(stdout).toMatch(/::warning::a training that was killed left processes running.*\(sleep 1003\)/);
    expect(stdout).toContain('the workspace of the training is removed');
  });

  test('has a post step that finds nothing to do when all went well, and that never fails', async () => {
    const done = await once();
    expect(done.status).toBe(0);
    expect(await place.post(done)).toMatchObject({ status: 0, stderr: '', summary: '' });
    expect(
      await place.post({ ...done, state: { STATE_left: '{"workspace":"/etc","leases":' } }),
    ).toMatchObject({
      status: 0,
    });
  });
});

test('a host that was lost with all that ran on it leaves nothing that the next training does not remove', async () => {
  await killed(() => loseHost(place.root));
  expect(await readdir(join(place.yard, 'tmp'))).toHaveLength(1);
  const next = await once();
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
