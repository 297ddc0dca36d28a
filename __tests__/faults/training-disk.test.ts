/** Fault 37 in a training: a disk gets full under its program, its log or its record. */
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { diskSpace } from '../../src/lib/disk-space.ts';
import { OUTPUT_LAYER } from '../../src/records/run.ts';
import type { TrainResult } from '../../src/train/request.ts';
import { expectNothingLeft } from '../support/leftovers.ts';
import { canMount, smallDisk } from '../support/small-disk.ts';
import { type TrainingMachine, trainingMachine } from '../support/training.ts';

const MEGABYTES = 8;

let machine: TrainingMachine;
let yard: string;
let unmount: () => void = () => {};
beforeAll(async () => {
  machine = await trainingMachine();
  yard = join(machine.root, 'yard');
  if (canMount()) unmount = smallDisk(yard, MEGABYTES);
}, 120_000);
afterEach(() => expectNothingLeft({ root: machine.root, leases: machine.deps.leases, yard }));
afterAll(async () => {
  unmount();
  await machine.remove();
});

const sh = (script: string): Promise<TrainResult> =>
  machine.train({ 'train.sh': script }, { command: ['sh', 'train.sh'] });

/** Where nothing can be mounted there is no disk that a test may fill. */
const onSmallDisk = canMount() ? test : test.skip;
const NAMED = '\\(the disk at \\S+/yard, [\\d.]+ [kM]?B of 8.39 MB free';

describe('a disk that is full', () => {
  onSmallDisk(
    'under the program’s outputs: the Run is kept, names the disk, and has none of them',
    async () => {
      // Its last words may find no room either; then that comes first.
      const { run } = await sh('head -c 20000000 /dev/zero > $TRAINYARD_OUTPUT_DIR/m');
      expect(run.config.state).toBe('disk-full');
      expect(run.config.reason).toMatch(new RegExp(`no room left .* ${NAMED}\\).*; make room`));
      expect(run.manifest.layers.filter(({ mediaType }) => mediaType === OUTPUT_LAYER)).toEqual([]);
      expect((await sh('echo m > $TRAINYARD_OUTPUT_DIR/m')).run.config.state).toBe('succeeded');
    },
  );

  onSmallDisk('until the program removes what it wrote: all disks are named', async () => {
    const { run, lastLines } = await sh(
      'said=$(head -c 20000000 /dev/zero 2>&1 > $TRAINYARD_OUTPUT_DIR/m); rm $TRAINYARD_OUTPUT_DIR/m; echo "$said"; exit 1',
    );
    expect(run.config.state).toBe('disk-full');
    expect(run.config.reason).toMatch(
      new RegExp(
        `^it found no room left on a disk ${NAMED} and the disk at /.*free\\); make room there, write less`,
      ),
    );
    expect(lastLines.at(-1)).toMatch(/No space left on device/);
  });

  onSmallDisk('under the log: the program is ended, and what it printed until then is kept', async () => {
    const { run } = await sh('head -c 7900000 /dev/zero > $TRAINYARD_OUTPUT_DIR/m; exec yes a line');
    expect(run.config.state).toBe('disk-full');
    expect(run.config.reason).toMatch(
      new RegExp(`^there is no room left for its log ${NAMED}\\), and it was ended`),
    );
    expect(run.manifest.layers).toHaveLength(1);
  });

  onSmallDisk('before the program starts: the error names the disk, and nothing is recorded', async () => {
    const large = { 'train.sh': '', 'large.bin': 'x'.repeat(5_000_000) };
    await expect(machine.train(large, { command: ['sh', 'train.sh'] })).rejects.toThrow(
      new RegExp(`^a disk is full ${NAMED}.*\\): .*ENOSPC`),
    );
  });
});

describe('the disks of a training', () => {
  test('are named by mount point and sizes, each once, also for what is not there yet', async () => {
    const { full, all } = await diskSpace(['/', '/not/there/yet']);
    expect(full).toBeUndefined();
    expect(all).toMatch(/^the disk at \/, [\d.]+ [kMGT]?B of [\d.]+ [kMGTP]?B free$/);
  });
});
