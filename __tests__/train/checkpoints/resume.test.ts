/** Checkpoints of real programs: durable while they run, and what the next training goes on from. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { TrainResult } from '../../../src/train/request.ts';
import { type TrainingMachine, trainingMachine } from '../../support/training.ts';

/** Counts to 6, a checkpoint after each, and goes on from one; \`stop\` says after which count it fails. */
const COUNTER = `set -e
n=0
if [ -n "$TRAINYARD_RESUME_FROM" ]; then n=$(cat "$TRAINYARD_RESUME_FROM"); echo "resumed at $n"; fi
while [ $n -lt 6 ]; do
  n=$((n + 1))
  echo "{\\"step\\": $n, \\"loss\\": 0.$((9 - n))}" >> "$TRAINYARD_METRICS_FILE"
  echo $n > "$TRAINYARD_CHECKPOINT_DIR/.new"; mv "$TRAINYARD_CHECKPOINT_DIR/.new" "$TRAINYARD_CHECKPOINT_DIR/step-$n"
  if [ -e "$STOP" ] && [ $n -eq "$(cat "$STOP")" ]; then echo "fails at $n"; exit 3; fi
done
echo "model of $n" > "$TRAINYARD_OUTPUT_DIR/model"`;

let machine: TrainingMachine;
let stop: string;
beforeAll(async () => {
  machine = await trainingMachine();
  stop = join(machine.root, 'stop');
});
afterAll(() => machine.remove());
beforeEach(async () => {
  await rm(stop, { force: true });
  await rm(machine.deps.checkpoints, { recursive: true, force: true });
});

const overrides = { command: ['sh', 'train.sh'], env: ['STOP'], params: { seed: 1 } };
async function train(at?: number, changes = {}): Promise<TrainResult> {
  if (at === undefined) await rm(stop, { force: true });
  else await writeFile(stop, String(at));
  const env = { ...machine.deps.env, STOP: stop };
  return machine.train({ 'train.sh': COUNTER }, { ...overrides, ...changes }, {}, { env });
}
/** The blobs that the place of checkpoints holds for all trainings. */
async function blobs(): Promise<string[]> {
  const found = await readdir(machine.deps.checkpoints, { recursive: true });
  return found
    .filter((path) => /blobs\/sha256\/[0-9a-f]{64}$/.test(path))
    .map((path) => join(machine.deps.checkpoints, path));
}

describe('a training that is interrupted', () => {
  test('goes on from its newest checkpoint, tells both segments, and leaves nothing at the place once it succeeds', async () => {
    const first = await train(4);
    expect(first.run.config).toMatchObject({ state: 'failed', checkpoint: { name: 'step-4', step: 4 } });
    const second = await train();
    expect(await machine.output(second, 'model')).toBe('model of 6\n');
    expect(machine.printed()).toContain('resumed at 4');
    expect(second.run.config.segments).toMatchObject([
      { state: 'cancelled' },
      { state: 'succeeded', resumedFrom: { name: 'step-4', step: 4 } },
    ]);
    expect(await readdir(machine.deps.checkpoints)).toEqual([]);
  });

  test('passes over a checkpoint of which one byte has changed, and says so', async () => {
    await train(2, { checkpoints: { keep: 3 } });
    const third = await train(5, { checkpoints: { keep: 3 } });
    expect(third.run.config.checkpoint).toMatchObject({ name: 'step-5' });
    for (const path of await blobs())
      if ((await readFile(path, 'utf8')) === '5\n') {
        await rm(path);
        await writeFile(path, '6\n');
      }
    machine.log.warnings.length = 0;
    const last = await train();
    expect(machine.log.warnings.join('\n')).toMatch(
      /checkpoint step-5 is damaged.*passed over for the one before/,
    );
    // One that came between is durable, too, where the machine is slow enough to have seen it.
    expect(last.run.config.segments.at(-1)?.resumedFrom?.name).toMatch(/^step-[234]$/);
    expect(await machine.output(last, 'model')).toBe('model of 6\n');
  });

  test('begins anew when its only checkpoint is damaged', async () => {
    await train(3);
    for (const path of await blobs()) if ((await readFile(path, 'utf8')) === '3\n') await rm(path);
    const last = await train();
    expect(last.run.config.segments.at(-1)?.resumedFrom).toBeUndefined();
    expect(await machine.output(last, 'model')).toBe('model of 6\n');
  });
});
