/** What can go wrong with checkpoints: places that are full, half-written, not there; jobs that meet, and jobs that are killed. */
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { hexOf } from '../../../src/lib/digest.ts';
import { MachineError } from '../../../src/lib/errors.ts';
import { pidNamespace } from '../../../src/lib/holder.ts';
import { leaveNote } from '../../../src/train/checkpoints/rescue.ts';
import type { TrainDeps, TrainResult } from '../../../src/train/request.ts';
import { COUNTER } from '../../support/counter.ts';
import { registryStores } from '../../support/registries.ts';
import { startRegistry } from '../../support/registry.ts';
import { canMount, smallDisk } from '../../support/small-disk.ts';
import { type TrainingMachine, trainingMachine } from '../../support/training.ts';

let machine: TrainingMachine;
let stop: string;
beforeAll(async () => {
  machine = await trainingMachine();
  stop = join(machine.root, 'stop');
}, 120_000);
afterAll(() => machine.remove());
beforeEach(async () => {
  await rm(machine.deps.checkpoints, { recursive: true, force: true });
  machine.log.warnings.length = 0;
});

interface Choices {
  /** After which count it fails. */
  readonly at?: number;
  readonly variables?: Readonly<Record<string, string>>;
  readonly deps?: Partial<TrainDeps>;
}

/** Each `seed` is another training. */
async function train(seed: number, { at, variables = {}, deps = {} }: Choices = {}): Promise<TrainResult> {
  if (at === undefined) await rm(stop, { force: true });
  else await writeFile(stop, String(at));
  const env = { ...machine.deps.env, STOP: stop, SIZE: '0', WAIT: '', ...variables };
  const overrides = { command: ['sh', 'train.sh'], env: ['STOP', 'SIZE', 'WAIT'], params: { seed } };
  return machine.train({ 'train.sh': COUNTER }, overrides, {}, { env, ...deps });
}
const resumedFrom = ({ run }: TrainResult) => run.config.segments.at(-1)?.resumedFrom?.name;
const folderOf = ({ run }: TrainResult) => join(machine.deps.checkpoints, hexOf(run.config.trainingId));
const warnings = () => machine.log.warnings.join('\n');

describe('a registry as the place', () => {
  test('another run goes on from it; while it does not answer nothing is trained again; in the end it holds none', async () => {
    const registry = await startRegistry();
    const stores = await registryStores(registry);
    let isDown = false;
    const openStore = async (value: string) => {
      const store = stores.open(value.split('/').at(-1) ?? '');
      if (isDown)
        store.names = async () => {
          throw new MachineError('the registry does not answer');
        };
      return store;
    };
    const checkpoints = `oci://${registry.host}/acme/checkpoints`;
    const choices = { deps: { checkpoints, data: { ...machine.deps.data, openStore } } };
    try {
      const first = await train(1, { at: 4, ...choices });
      expect(first.run.config).toMatchObject({ state: 'failed', checkpoint: { name: 'step-4', step: 4 } });
      isDown = true;
      await expect(train(1, choices)).rejects.toThrow('the registry does not answer');
      isDown = false;
      const second = await train(1, choices);
      expect(resumedFrom(second)).toBe('step-4');
      expect(await machine.output(second, 'model')).toBe('model of 6\n');
      expect([...(await stores.open('checkpoints').names('checkpoint-')).keys()]).toEqual([]);
    } finally {
      await stores.close();
    }
  });
});

describe('a place in a folder', () => {
  (canMount() ? test : test.skip)('that is full: it is told, and the checkpoint before stays', async () => {
    const unmount = smallDisk(machine.deps.checkpoints, 2);
    try {
      expect((await train(2, { at: 2 })).run.config.checkpoint?.name).toBe('step-2');
      const full = await train(2, { at: 4, variables: { SIZE: '5000000' } });
      expect(full.run.config).toMatchObject({ state: 'failed', checkpoint: { name: 'step-2' } });
      expect(warnings()).toMatch(
        /checkpoint step-4 is not durable, the one before stays: .*make room on its disk/,
      );
      const last = await train(2);
      expect(resumedFrom(last)).toBe('step-2');
      expect(await machine.output(last, 'model')).toBe('model of 6\n');
    } finally {
      unmount();
    }
  });

  test('in which a writer died: what it left is removed, and no part of a checkpoint is taken for one', async () => {
    const first = await train(3, { at: 3 });
    const blobs = join(folderOf(first), 'blobs', 'sha256');
    await writeFile(join(blobs, 'incoming.1-abcdefabcdef.tmp'), 'half of a file');
    await writeFile(join(folderOf(first), 'index.json'), '{"schemaVersion": 2, "manif');
    const second = await train(3, { at: 5 });
    expect(resumedFrom(second)).toBe('step-3');
    expect(warnings()).toMatch(/checkpoints: index.json was damaged/);
    expect((await readdir(blobs)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });
});

test('a program that is given a checkpoint may do with its copy as it likes', async () => {
  const script = `copy=$TRAINYARD_RESUME_FROM
if [ -n "$copy" ]; then cat "$copy"; echo spoilt > "$copy"; rm "$copy"; exit 3; fi
echo 'good one' > "$TRAINYARD_CHECKPOINT_DIR/step-1"; exit 3`;
  const again = () => machine.train({ 'train.sh': script }, { command: ['sh', 'train.sh'] });
  await again();
  for (const _ of ['second', 'third']) {
    const result = await again();
    expect(resumedFrom(result)).toBe('step-1');
    expect(result.lastLines).toEqual(['good one']);
  }
  expect(machine.log.warnings).toEqual([]);
});

test('of two jobs of one training one trains, and the other waits and reuses its Run', async () => {
  const go = join(machine.root, 'go');
  const choices = { variables: { WAIT: go } };
  const counted = machine.printed().split('counted').length;
  const first = train(5, choices);
  while (machine.printed().split('counted').length === counted) await sleep(20);
  const second = train(5, choices);
  while (!machine.log.lines.some((line) => line.includes('another job trains the same'))) await sleep(20);
  await writeFile(go, '');
  const [a, b] = await Promise.all([first, second]);
  expect([a.isReused, b.isReused]).toEqual([false, true]);
  expect(b.run.digest).toBe(a.run.digest);
  expect(await readdir(machine.deps.checkpoints)).toEqual([]);
});

test('what a killed job had no time to save is saved by the next one of the same training, which goes on from it', async () => {
  const { run } = await train(6, { at: 2 });
  const { trainingId } = run.config;
  const before = await machine.leftovers();
  const killed = await machine.handoff.scratch();
  await leaveNote(killed, { place: machine.deps.checkpoints, trainingId, policy: { keep: 2 }, segments: [] });
  await mkdir(join(killed, 'checkpoints', '.new'), { recursive: true });
  await writeFile(join(killed, 'checkpoints', '.new', 'count'), '5\n');
  await sleep(20);
  await rename(join(killed, 'checkpoints', '.new'), join(killed, 'checkpoints', 'step-5'));
  await writeFile(join(killed, 'holder'), `1-999999999999 ${await pidNamespace()}`);
  const next = await train(6);
  expect(resumedFrom(next)).toBe('step-5');
  expect(await machine.output(next, 'model')).toBe('model of 6\n');
  expect(machine.log.warnings).toEqual([]);
  expect(await machine.leftovers()).toEqual(before);
});
