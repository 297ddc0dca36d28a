/** How programs end, and what comes of it (fault 38), with real programs. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { LOG_LAYER } from '../../src/records/oci.ts';
import type { TrainerConfig } from '../../src/records/program.ts';
import { OUTPUT_LAYER } from '../../src/records/run.ts';
import { readBytes } from '../../src/store/records.ts';
import type { TrainDeps, TrainResult } from '../../src/train/request.ts';
import { train } from '../../src/train/train.ts';
import { putTrainer } from '../support/programs.ts';
import { commandsOf } from '../support/step.ts';
import { isAlive, type TrainingMachine, trainingMachine } from '../support/training.ts';

let machine: TrainingMachine;
beforeAll(async () => {
  machine = await trainingMachine();
}, 120_000);
afterAll(() => machine.remove());

const sh = (
  script: string,
  overrides: Partial<TrainerConfig> = {},
  changes: Partial<TrainDeps> = {},
): Promise<TrainResult> =>
  machine.train({ 'train.sh': script }, { command: ['sh', 'train.sh'], ...overrides }, {}, changes);

const logOf = async ({ run }: TrainResult): Promise<string> => {
  const layer = run.manifest.layers.find(({ mediaType }) => mediaType === LOG_LAYER);
  if (layer === undefined) throw new Error('the Run has no log');
  return (await readBytes(machine.handoff, layer.digest)).toString();
};

const CUDA = 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.';

describe('each end has a state of its own, and brings no outputs', () => {
  test.each<[string, string, Partial<TrainerConfig>, string, RegExp]>([
    [
      'a shell’s status 137',
      'echo x > $TRAINYARD_OUTPUT_DIR/m; sh -c "kill -9 \\$\\$"; exit 137',
      {},
      'out-of-memory',
      /status 137.*memory/,
    ],
    [
      'MemoryError',
      'echo x > $TRAINYARD_OUTPUT_DIR/m; exec python3 -c "raise MemoryError"',
      {},
      'out-of-memory',
      /smaller batch/,
    ],
    [
      'no memory on the GPU',
      `echo x > $TRAINYARD_OUTPUT_DIR/m; echo "${CUDA}" >&2; exit 1`,
      {},
      'out-of-gpu-memory',
      /gpu-memory/,
    ],
    [
      'a full disk',
      'echo x > $TRAINYARD_OUTPUT_DIR/m; cat train.sh > /dev/full',
      {},
      'disk-full',
      /no room left on a disk/,
    ],
    [
      'silence',
      'echo x > $TRAINYARD_OUTPUT_DIR/m; echo one; sleep 1000',
      { silenceSeconds: 1 },
      'hung',
      /for 1 seconds, and was ended/,
    ],
    [
      'NaN, long before its end',
      'echo \'{"step": 1, "loss": NaN}\' >> $TRAINYARD_METRICS_FILE; exec sleep 1000',
      { finite: ['loss'] },
      'diverged',
      /loss became NaN or infinite; .*learning rate/,
    ],
    [
      'infinity in its last line, and status 0',
      'printf \'{"loss": -Infinity}\' >> $TRAINYARD_METRICS_FILE',
      { finite: ['accuracy', 'loss'] },
      'diverged',
      /loss became/,
    ],
    ['status 0 without a file', 'true', {}, 'failed', /made no output/],
  ])('%s', async (_, script, overrides, state, reason) => {
    const { run } = await sh(script, overrides);
    expect({ state: run.config.state, reason: run.config.reason }).toEqual({
      state,
      reason: expect.stringMatching(reason),
    });
    expect(run.manifest.layers.filter(({ mediaType }) => mediaType === OUTPUT_LAYER)).toEqual([]);
    expect(await machine.leftovers()).toEqual([]);
  });
});

test('metrics alone are a sign of life, and NaN counts only where it is asked for', async () => {
  const script = `for i in $(seq 20); do echo '{"loss": NaN, "n": '$i'}' >> $TRAINYARD_METRICS_FILE; sleep 0.2; done
    echo x > $TRAINYARD_OUTPUT_DIR/m`;
  const { run } = await sh(script, { silenceSeconds: 3 });
  expect(run.config).toMatchObject({ state: 'succeeded', metrics: { n: 20 } });
});

describe('the time budget', () => {
  const within = async (seconds: number, script: string, signal?: AbortSignal): Promise<TrainResult> => {
    const files = { 'train.sh': script };
    const { digest } = await putTrainer(machine.handoff, files, { command: ['sh', 'train.sh'] });
    const deps = signal === undefined ? machine.deps : { ...machine.deps, signal };
    return train({ trainer: digest, params: {}, commit: null, timeBudgetSeconds: seconds }, deps);
  };

  test('asks to stop; where nothing is kept, status 0 is no success', async () => {
    const script = `echo x > $TRAINYARD_OUTPUT_DIR/m; trap 'echo asked; exit 0' TERM; sleep 1000 & echo $!; wait`;
    const result = await within(3, script);
    expect(result.run.config).toMatchObject({
      state: 'failed',
      reason: expect.stringMatching(/time budget of 3 seconds was used up, .* no checkpoint/),
      segments: [{ status: 0 }],
    });
    expect(result.lastLines.at(-1)).toBe('asked');
    expect(isAlive(Number(result.lastLines[0]))).toBe(false);
  });

  test('asks for a checkpoint; with one that is newer it is to be continued, whatever the status', async () => {
    const script = `c=$TRAINYARD_CHECKPOINT_DIR; echo x > $TRAINYARD_OUTPUT_DIR/m
      trap 'sleep 1.2; echo 7 > $c/.new; mv $c/.new $c/step-7; exit 5' TERM; sleep 1000 & wait`;
    const result = await within(3, script);
    expect(result.run.config).toMatchObject({
      state: 'checkpointed',
      reason: expect.stringMatching(
        /time budget of 3 seconds was used up, and it stopped with a checkpoint; start it again/,
      ),
      segments: [{ status: 5 }],
      checkpoint: { name: 'step-7' },
    });
    expect(result.run.manifest.layers.filter(({ mediaType }) => mediaType === OUTPUT_LAYER)).toEqual([]);
  });

  test('gives much time, but who is cancelled in it has a runner’s patience', async () => {
    const control = new AbortController();
    const script = `trap 'echo patience please' TERM; echo $$; while :; do sleep 0.1; done`;
    const deadline = setInterval(() => {
      if (machine.printed().includes('patience please')) control.abort(new Error('cancelled'));
    }, 50);
    const result = await within(2, script, control.signal);
    clearInterval(deadline);
    expect(result.run.config).toMatchObject({ state: 'cancelled', segments: [{ signal: 'SIGKILL' }] });
    expect(isAlive(Number(result.lastLines[0]))).toBe(false);
  });
});

describe('what a program prints', () => {
  test('commands nothing, in a flood of which the console shows a part, and the Run all', async () => {
    const before = machine.printed().length;
    const script = `echo x > $TRAINYARD_OUTPUT_DIR/m; echo ::add-path::/evil; echo ::stop-commands::x
      yes '::set-env name=A::evil' | head -n 200000; printf '##[add-mask]true\\n::x::\\n::error::cut'`;
    const result = await sh(script);
    expect(result.run.config.state).toBe('succeeded');
    const shown = machine.printed().slice(before);
    expect(commandsOf(`${shown}::notice::ours`)).toEqual(['notice']);
    expect(shown).toMatch(/^\([\d,]+ lines are left out here; the log of the Run has all\)$/m);
    expect(shown).toContain('\n::x::\n::error::cut\n');
    const log = await logOf(result);
    expect(log.split('\n')).toHaveLength(200_005);
    expect(log.length).toBe(200_000 * 23 + 72);
  });

  test('stays in its order, and may be written through the names of the devices', async () => {
    const result = await sh(
      'echo x > $TRAINYARD_OUTPUT_DIR/m; echo 1; echo 2 >&2; echo 3 > /dev/stderr; echo 4 > /dev/stdout',
    );
    expect(result.lastLines).toEqual(['1', '2', '3', '4']);
  });
});
