import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { OUTPUT_LAYER } from '../../src/records/run.ts';
import type { TrainDeps, TrainResult } from '../../src/train/request.ts';
import { isAlive, type TrainingMachine, trainingMachine } from '../support/training.ts';

let machine: TrainingMachine;
beforeAll(async () => {
  machine = await trainingMachine();
  await writeFile(join(machine.root, 'outside'), 'a secret of the machine');
}, 120_000);
afterAll(() => machine.remove());

const sh = (
  script: string,
  overrides: { timeoutSeconds?: number } = {},
  changes: Partial<TrainDeps> = {},
): Promise<TrainResult> =>
  machine.train(
    { 'train.sh': `out=$TRAINYARD_OUTPUT_DIR\n${script}` },
    { command: ['sh', 'train.sh'], ...overrides },
    {},
    changes,
  );

/** A failed Run keeps its log, and none of its outputs. */
function expectFailure({ run }: TrainResult, reason: RegExp): void {
  expect(run.config.state).toBe('failed');
  expect(run.config.reason).toMatch(reason);
  expect(run.manifest.layers.filter(({ mediaType }) => mediaType === OUTPUT_LAYER)).toEqual([]);
}

describe('a program that fails', () => {
  test('by its status: log and metrics are kept, outputs are not', async () => {
    const result = await sh(
      'echo x > $out/m; echo \'{"loss": 1}\' > $TRAINYARD_METRICS_FILE; echo "the cause" >&2; exit 3',
    );
    expectFailure(result, /ended with status 3/);
    expect(result.lastLines).toEqual(['the cause']);
    expect(result.run.config).toMatchObject({ metrics: { loss: 1 }, segments: [{ status: 3 }] });
    expect(await machine.leftovers()).toEqual([]);
  });

  test('by a signal', async () => {
    expectFailure(await sh('kill -9 $$'), /SIGKILL; the machine may have run out of memory/);
    expectFailure(await sh('kill -SEGV $$'), /ended by SIGSEGV/);
  });

  test('by making no output', async () => {
    expectFailure(await sh('mkdir $out/empty'), /made no output: .*TRAINYARD_OUTPUT_DIR/);
  });

  test('by its timeout, and all that it started ends with it', async () => {
    const result = await sh('sleep 1000 & echo $!; wait', { timeoutSeconds: 0.5 });
    expectFailure(result, /ended after 0.5 seconds, the trainer's timeout; raise trainer.timeout/);
    expect(isAlive(Number(result.lastLines[0]))).toBe(false);
  });

  test('by a command that is not there', async () => {
    const files = { 'train.sh': '' };
    await expect(machine.train(files, { command: ['no-such-tool'] })).rejects.toThrow(
      /the trainer's command does not start: no-such-tool could not be started.*environment of its lock/,
    );
    expect(await machine.leftovers()).toEqual([]);
  });
});

describe('what could bring in what lies outside is refused with its path', () => {
  test.each([
    [
      'a link to a file',
      'echo x > $out/m; mkdir $out/d; ln -s /etc/hostname $out/d/l',
      /d\/l is a symbolic link/,
    ],
    ['a link to a folder, written through', 'ln -s .. $out/up; echo x > $out/up/x', /up is a symbolic link/],
    ['a hard link', 'ln ../../../../outside $out/hard', /hard is a hard link/],
    ['a named pipe', 'echo x > $out/m; mkfifo $out/p', /p is a named pipe/],
    [
      'an output folder that is a link',
      'rmdir $out; ln -s /etc $out',
      /removed or replaced its output folder/,
    ],
    ['no output folder', 'rmdir $out', /removed or replaced its output folder/],
    ['a name that is not portable', 'echo x > "$out/$(printf \'a\\nb\')"', /"a\\nb" has a name/],
  ])('%s', async (_, script, reason) => {
    expectFailure(await sh(script), reason);
    expect(await machine.leftovers()).toEqual([]);
  });

  test('a metrics file or a log that is a link is not followed', async () => {
    const secret = join(machine.root, 'outside');
    const result = await sh(
      `echo x > $out/m; ln -s ${secret} $TRAINYARD_METRICS_FILE; cd $out/..; rm log.txt; ln -s ${secret} log.txt`,
    );
    expect(result.run.config).toMatchObject({ state: 'succeeded', metrics: {} });
    expect(result.run.manifest.layers).toHaveLength(1);
  });
});

describe('nothing outlives a training', () => {
  test('a daemon in a session of its own is ended, and named', async () => {
    const result = await sh(
      'setsid sh -c "echo \\$\\$ > $out/pid; exec sleep 1234" & while [ ! -s $out/pid ]; do sleep 0.05; done',
    );
    expect(result.run.config.state).toBe('succeeded');
    const pid = Number(await machine.output(result, 'pid'));
    expect(isAlive(pid)).toBe(false);
    expect(machine.log.warnings.at(-1)).toBe(
      `the program left processes running, and they were ended: ${pid} (sleep 1234)`,
    );
  });

  test('a helper that ends a moment after the program is no daemon', async () => {
    const before = machine.log.warnings.length;
    expect((await sh('sleep 0.2 & echo x > $out/m')).run.config.state).toBe('succeeded');
    expect(machine.log.warnings).toHaveLength(before);
  });

  const cancelled = async (script: string, sign: string): Promise<TrainResult & { seconds: number }> => {
    const control = new AbortController();
    const training = sh(script, {}, { signal: control.signal });
    while (!machine.printed().includes(sign)) await sleep(20);
    const start = Date.now();
    control.abort(new Error('cancelled'));
    return { ...(await training), seconds: (Date.now() - start) / 1000 };
  };

  test('a cancelled program is asked to stop, at once with its children, and its status 0 is no success', async () => {
    const result = await cancelled(
      `trap 'echo stopping; exit 0' TERM; setsid sleep 1000 & echo x > $out/m; echo $!; echo polite one ready; wait`,
      'polite one ready',
    );
    expect(result.run.config).toMatchObject({ state: 'cancelled', segments: [{ status: 0 }] });
    expect(result.lastLines.at(-1)).toBe('stopping');
    expect(result.seconds).toBeLessThan(3);
    expect(isAlive(Number(result.lastLines[0]))).toBe(false);
    expect(await machine.leftovers()).toEqual([]);
  });

  test('one that does not stop is gone within 7 seconds', async () => {
    const result = await cancelled(
      `trap '' TERM; sh -c 'while :; do sleep 0.1; done' & echo $!; echo stubborn one ready; while :; do sleep 0.1; done`,
      'stubborn one ready',
    );
    expect(result.run.config).toMatchObject({ state: 'cancelled', segments: [{ signal: 'SIGKILL' }] });
    expect(result.seconds).toBeLessThan(7);
    expect(isAlive(Number(result.lastLines[0]))).toBe(false);
  });
});
