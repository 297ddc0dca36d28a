import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { digestOf } from '../../../src/lib/digest.ts';
import { Keeper } from '../../../src/train/checkpoints/keeper.ts';
import { listCheckpoints, openPlace } from '../../../src/train/checkpoints/place.ts';
import { recordingLog } from '../../support/log.ts';

test('the newest checkpoint is the one that was completed last, though the clock jumped a day ahead and back', async () => {
  const root = await mkdtemp(join(tmpdir(), 'trainyard-clock-'));
  const folder = join(root, 'checkpoints');
  await mkdir(folder);
  const place = await openPlace(join(root, 'place'), digestOf(Buffer.from('training')), () => {
    throw new Error('no store is needed');
  });
  const log = recordingLog();
  const policy = { keep: 5 };
  const now = () => ({ metrics: {}, segments: [] });
  const keeper = new Keeper({ place, folder, policy, durable: [], lastSequence: 0, log, now });
  const write = async (name: string, hours: number): Promise<void> => {
    const time = new Date(Date.now() + hours * 3_600_000);
    await writeFile(join(folder, `${name}.tmp`), name);
    await utimes(join(folder, `${name}.tmp`), time, time);
    await rename(join(folder, `${name}.tmp`), join(folder, name));
  };
  try {
    await keeper.start();
    for (const [name, hours] of [
      ['step-1', 0],
      ['step-2', 24],
      ['step-3', -24],
    ] as const) {
      await write(name, hours);
      while (!log.lines.some((line) => line.startsWith(`checkpoint ${name} is durable`)))
        await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await keeper.finish(true)).toBe(true);
    expect(keeper.newest?.config.name).toBe('step-3');
    const names = (await listCheckpoints(place, () => {})).map(({ config }) => config.name);
    expect(names).toEqual(['step-3', 'step-2', 'step-1']);
  } finally {
    await rm(root, { recursive: true });
  }
});
