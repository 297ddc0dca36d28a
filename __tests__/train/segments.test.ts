import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import type { Segment } from '../../src/records/run.ts';
import { traceText } from '../../src/summary/trace.ts';
import { traceRecords } from '../../src/trace/lineage.ts';
import { mergeSegments } from '../../src/train/segments.ts';
import { train } from '../../src/train/train.ts';
import { putTrainer } from '../support/programs.ts';
import { putRun, type RunOptions } from '../support/runs.ts';
import { type TrainingMachine, trainingMachine } from '../support/training.ts';

let machine: TrainingMachine;
beforeAll(async () => {
  machine = await trainingMachine();
}, 120_000);
afterAll(() => machine.remove());

const TIME = '2026-01-02T03:04:05Z';
const segment = (hour: number, host = 'box'): Segment => ({
  startedAt: TIME.replace('03', String(hour).padStart(2, '0')),
  endedAt: TIME.replace('03', String(hour + 1).padStart(2, '0')),
  status: 0,
  signal: null,
  state: 'checkpointed',
  host,
});
const FILES = { 'train.sh': 'echo m > $TRAINYARD_OUTPUT_DIR/m' };
const COMMAND = { command: ['sh', 'train.sh'] };

test('a Run lists the segments before its own, and names the Run of the last one', async () => {
  const { digest: trainer } = await putTrainer(machine.handoff, FILES, COMMAND);
  const claims: RunOptions['claims'] = { state: 'checkpointed', segments: [segment(1), segment(3)] };
  const { digest: previous } = await putRun(machine.handoff, trainer, { claims });
  const { run } = await train({ trainer, params: {}, commit: null, previous }, machine.deps);
  expect(run.config.previous).toBe(previous);
  expect(run.config.segments.map(({ state }) => state)).toEqual([
    'checkpointed',
    'checkpointed',
    'succeeded',
  ]);
  expect(traceText(await traceRecords(machine.handoff, [run.digest]))).toMatch(
    /run +\w{12} {2}succeeded in 3 segments:/,
  );
});

test('the Run of another training is refused, and one that is gone is passed over with a warning', async () => {
  const { digest: trainer } = await putTrainer(machine.handoff, FILES, COMMAND);
  const { digest: other } = await putTrainer(machine.handoff, { ...FILES, more: '' }, COMMAND);
  const { digest: previous } = await putRun(machine.handoff, other);
  await expect(train({ trainer, params: {}, commit: null, previous }, machine.deps)).rejects.toThrow(
    /^input previous names a Run of training id sha256:\w{64}, and this training is sha256:/,
  );
  const gone = digestOf(Buffer.from('gone'));
  const { run } = await train({ trainer, params: {}, commit: null, previous: gone }, machine.deps);
  expect([run.config.previous, run.config.segments.length]).toEqual([undefined, 1]);
  expect(machine.log.warnings).toContainEqual(
    expect.stringContaining(`input previous names ${gone}, which is not in the hand-off`),
  );
});

test('what several records tell is put in the order of time, each segment once, as it was told last', () => {
  const [first, second, third] = [segment(1), segment(3, 'other'), segment(5)];
  const early: Segment = { ...second, endedAt: second.startedAt, state: 'cancelled' };
  expect(mergeSegments([first, third], [second, third], [])).toEqual([first, second, third]);
  expect(mergeSegments([second], [early])).toEqual([second]);
  expect(mergeSegments([early], [second])).toEqual([second]);
});

test('a training that is forced begins anew, and what comes after it goes on from its checkpoints', async () => {
  const script = `
printf %s "from <$(basename "$TRAINYARD_RESUME_FROM")>"; echo
touch "$TRAINYARD_CHECKPOINT_DIR/.new"; mv "$TRAINYARD_CHECKPOINT_DIR/.new" "$TRAINYARD_CHECKPOINT_DIR/$(date +%s%N)"
exit 1`;
  const { digest: trainer } = await putTrainer(machine.handoff, { 'train.sh': script }, COMMAND);
  const began: string[] = [];
  for (const force of [false, false, true, false]) {
    const { lastLines } = await train({ trainer, params: {}, commit: null, force }, machine.deps);
    began.push(lastLines[0]?.replace(/\d+/, 'a checkpoint') ?? '');
  }
  expect(began).toEqual(['from <>', 'from <a checkpoint>', 'from <>', 'from <a checkpoint>']);
});

test('without the Run before, the checkpoint tells of a segment that its time budget ended', async () => {
  const script = `
trap 'touch "$TRAINYARD_CHECKPOINT_DIR/.c"; mv "$TRAINYARD_CHECKPOINT_DIR/.c" "$TRAINYARD_CHECKPOINT_DIR/c"; exit 143' TERM
if test -n "$TRAINYARD_RESUME_FROM"; then echo m > "$TRAINYARD_OUTPUT_DIR/m"; exit 0; fi
while true; do sleep 0.1; done`;
  const { digest: trainer } = await putTrainer(machine.handoff, { 'train.sh': script }, COMMAND);
  const request = { trainer, params: {}, commit: null };
  const stopped = await train({ ...request, timeBudgetSeconds: 6 }, machine.deps);
  expect(stopped.run.config.state).toBe('checkpointed');
  const { run } = await train(request, machine.deps);
  const told = run.config.segments.map(({ state, resumedFrom }) => [state, resumedFrom?.name]);
  expect(told).toEqual([
    ['checkpointed', undefined],
    ['succeeded', 'c'],
  ]);
});
