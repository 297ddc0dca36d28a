/** Places that keep checkpoints, and do not do all that they are asked for. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { digestOf } from '../../../src/lib/digest.ts';
import { MachineError, UserError } from '../../../src/lib/errors.ts';
import { LayoutStore } from '../../../src/store/layout.ts';
import { leaveNote, rescueCheckpoints } from '../../../src/train/checkpoints/rescue.ts';
import { recordingLog } from '../../support/log.ts';
import { type TrainingMachine, trainingMachine } from '../../support/training.ts';

/** A registry that lets nothing be removed, as ghcr.io does. */
class Keeping extends LayoutStore {
  override remove(): Promise<never> {
    return Promise.reject(new UserError('the registry answered 405 to DELETE'));
  }
}

/** A registry that takes nothing. */
class Full extends LayoutStore {
  override write(): Promise<never> {
    return Promise.reject(new MachineError('the registry answered 507'));
  }
}

let machine: TrainingMachine;
let root: string;
beforeEach(async () => {
  machine = await trainingMachine();
  root = await mkdtemp(join(tmpdir(), 'trainyard-refusing-'));
});
afterEach(async () => {
  await machine.remove();
  await rm(root, { recursive: true, force: true });
});

test('a registry that lets nothing be removed: the training goes on, and succeeds', async () => {
  const store = new Keeping(join(root, 'registry'));
  const script = `echo "from \${TRAINYARD_RESUME_FROM:-nothing}"
for n in 1 2 3; do echo $n > $TRAINYARD_CHECKPOINT_DIR/.c; mv $TRAINYARD_CHECKPOINT_DIR/.c $TRAINYARD_CHECKPOINT_DIR/step-$n; done; sleep 1.2
[ -e "$STOP" ] && exit 3; echo model > $TRAINYARD_OUTPUT_DIR/m`;
  const stop = join(root, 'stop');
  await writeFile(stop, '');
  const changes = {
    checkpoints: 'oci://registry.example/checkpoints',
    data: { ...machine.deps.data, openStore: async () => store },
    env: { ...machine.deps.env, STOP: stop },
  };
  const overrides = { command: ['sh', 'train.sh'], env: ['STOP'], checkpoints: { keep: 1 } };
  const train = () => machine.train({ 'train.sh': script }, overrides, {}, changes);
  const failed = await train();
  expect(failed.run.config).toMatchObject({ state: 'failed', checkpoint: { name: 'step-3' } });
  await rm(stop);
  const { run } = await train();
  expect(run.config).toMatchObject({
    state: 'succeeded',
    segments: [{}, { resumedFrom: { name: 'step-3' } }],
  });
  expect(machine.log.warnings.join('\n')).toMatch(/the checkpoints in .* stay: the registry answered 405/);
});

test('what a killed training left stays where it is until it can be made durable', async () => {
  const trainingId = digestOf(Buffer.from('training'));
  await leaveNote(root, {
    place: 'oci://registry.example/checkpoints',
    trainingId,
    policy: { keep: 1 },
    segments: [],
  });
  await mkdir(join(root, 'checkpoints'));
  await writeFile(join(root, 'checkpoints', '.c'), '1');
  await sleep(20);
  await rename(join(root, 'checkpoints', '.c'), join(root, 'checkpoints', 'step-1'));
  const held = (store: LayoutStore) => ({
    held: { trainingId, store, folder: undefined },
    patienceMs: 10_000,
  });
  const log = recordingLog();
  const full = new Full(join(root, 'registry'));
  await expect(rescueCheckpoints(root, log, async () => full, held(full))).rejects.toThrow(
    /newest checkpoint in .* could not be made durable/,
  );
  const store = new LayoutStore(join(root, 'registry'));
  await rescueCheckpoints(root, log, async () => store, held(store));
  expect([...(await store.names('checkpoint-')).keys()]).toHaveLength(1);
});
