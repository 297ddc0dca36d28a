/** Which checkpoints of a program become durable, and which of those stay. */
import { appendFile, link, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../../src/lib/digest.ts';
import type { CheckpointPolicy } from '../../../src/records/program.ts';
import { LayoutStore } from '../../../src/store/layout.ts';
import { Keeper } from '../../../src/train/checkpoints/keeper.ts';
import { listCheckpoints, openPlace, type Place } from '../../../src/train/checkpoints/place.ts';
import { restore } from '../../../src/train/checkpoints/restore.ts';
import { recordingLog } from '../../support/log.ts';

const trainingId = digestOf(Buffer.from('training'));
const signal = new AbortController().signal;
let root: string;
let folder: string;
let place: Place;
let metrics: Record<string, number>;
let log: ReturnType<typeof recordingLog>;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trainyard-keeper-'));
  folder = join(root, 'program');
  await mkdir(folder);
  place = await openPlace(join(root, 'place'), trainingId, async (value) => new LayoutStore(value));
  metrics = {};
  log = recordingLog();
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function begin(policy: CheckpointPolicy = { keep: 2 }): Promise<Keeper> {
  const keeper = new Keeper({
    place,
    folder,
    policy,
    log,
    durable: await listCheckpoints(place, () => {}),
    lastSequence: (await listCheckpoints(place, () => {}))[0]?.config.sequence ?? 0,
    now: () => ({ metrics, segments: [] }),
  });
  await keeper.start();
  return keeper;
}
const names = async (): Promise<string[]> =>
  (await listCheckpoints(place, () => {})).map(({ config }) => config.name);
/** Written aside and renamed, as a careful program does. */
async function put(name: string, content = name): Promise<void> {
  await writeFile(join(folder, `.${name}`), content);
  await sleep(10);
  await rename(join(folder, `.${name}`), join(folder, name));
}
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(20);
}

test('the newest ones and the best one stay, and what only the others held is gone', async () => {
  const keeper = await begin({ keep: 1, best: { metric: 'loss', goal: 'minimize' } });
  for (const [step, loss] of [0.5, 0.2, 0.4, 0.3].entries()) {
    metrics = { loss };
    await put(`step-${step}`);
    await until(() => keeper.newest?.config.name === `step-${step}`);
  }
  expect(await keeper.finish(true)).toBe(true);
  expect(await names()).toEqual(['step-3', 'step-1']);
  expect(keeper.newest?.config).toMatchObject({ step: 3, metrics: { loss: 0.3 } });
});

describe('complete is', () => {
  test('what was renamed into its place, even when the program is killed right then', async () => {
    const keeper = await begin();
    await put('model.pt');
    expect(await keeper.finish(false)).toBe(true);
    expect(await names()).toEqual(['model.pt']);
  });

  test('what nobody has written to between two looks', async () => {
    const keeper = await begin();
    await writeFile(join(folder, 'model.pt'), 'whole');
    await until(() => keeper.completeAt !== undefined);
    await keeper.finish(false);
    expect(await names()).toEqual(['model.pt']);
  });

  test('what stands there when the program has ended in its own time', async () => {
    const keeper = await begin();
    await writeFile(join(folder, 'model.pt'), 'whole');
    await keeper.finish(true);
    expect(await names()).toEqual(['model.pt']);
  });

  test.each([
    ['a folder of Hugging Face without its state', 'checkpoint-5', ['model.safetensors']],
    ['a distributed checkpoint of torch without its metadata', 'step-5', ['__0_0.distcp']],
    ['a folder with a part of a file', 'step-5', ['model.bin', 'optimizer.bin.incomplete']],
    ['a name of something unfinished', 'step-5.tmp', ['model.bin']],
  ])('not %s', async (_, name, files) => {
    await put('before');
    const first = await begin();
    await put('older');
    await mkdir(join(folder, name));
    for (const file of files) await writeFile(join(folder, name, file), 'x');
    await first.finish(true);
    expect(await names()).toEqual(['older']);
  });

  test.each([
    ['a folder of Hugging Face with its state', 'checkpoint-5', ['model.safetensors', 'trainer_state.json']],
    ['a distributed checkpoint of torch with its metadata', 'step-5', ['__0_0.distcp', '.metadata']],
  ])('%s', async (_, name, files) => {
    const keeper = await begin();
    await mkdir(join(folder, name));
    for (const file of files) await writeFile(join(folder, name, file), 'x');
    await keeper.finish(true);
    expect(await names()).toEqual([name]);
    const into = join(root, 'next');
    await mkdir(into);
    const found = await restore(place, into, { log, signal });
    expect(found).toMatchObject({ path: join(into, name), checkpoint: { config: { step: 5 } } });
  });
});

test('a file that the program goes on writing to is taken once it rests', async () => {
  const keeper = await begin();
  await writeFile(join(folder, 'log.bin'), 'a');
  for (let i = 0; i < 12; i++) {
    await sleep(200);
    await appendFile(join(folder, 'log.bin'), 'a');
  }
  await keeper.finish(true);
  expect(await names()).toEqual(['log.bin']);
  const into = join(root, 'next');
  await mkdir(into);
  expect((await restore(place, into, { log, signal }))?.checkpoint.manifest.layers[0]?.size).toBe(13);
});

test('links are told and not followed', async () => {
  const keeper = await begin();
  await writeFile(join(root, 'secret'), 'secret');
  await symlink(join(root, 'secret'), join(folder, 'soft'));
  await link(join(root, 'secret'), join(folder, 'hard'));
  await mkdir(join(folder, 'deep'));
  await writeFile(join(folder, 'deep', 'model'), 'x');
  await symlink('/etc', join(folder, 'deep', 'etc'));
  await keeper.finish(true);
  expect(await names()).toEqual([]);
  expect(log.warnings.join('\n')).toMatch(/hard is a link.*\n?/);
  expect(log.warnings.filter((line) => line.startsWith('a checkpoint cannot be kept'))).toHaveLength(3);
});

test('what it was given is not kept again, and a training in the same folder counts on', async () => {
  const first = await begin();
  await put('step-1');
  await first.finish(true);
  const second = await begin();
  await second.finish(true);
  expect(await names()).toEqual(['step-1']);
  const third = await begin();
  await put('step-2');
  await third.finish(true);
  expect((await listCheckpoints(place, () => {})).map(({ config }) => config.sequence)).toEqual([2, 1]);
});
