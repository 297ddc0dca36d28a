import { expect, test } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import type { RunConfig, Segment } from '../../src/records/run.ts';
import { segmentsTable, timeOf, usageLine } from '../../src/summary/segments.ts';

const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 12, minute)).toISOString();
const segment = (from: number, to: number, more: Partial<Segment> = {}): Segment => ({
  startedAt: at(from),
  endedAt: at(to),
  status: 0,
  signal: null,
  state: 'succeeded',
  host: 'gpu-1',
  ...more,
});
const of = (...segments: Segment[]): RunConfig => ({
  trainingId: digestOf(Buffer.from('training')),
  state: 'succeeded',
  commit: null,
  params: {},
  data: {},
  metrics: {},
  segments,
  machine: {
    os: 'linux',
    architecture: 'x64',
    processors: 2,
    memoryBytes: 1,
    python: null,
    trainyard: '1.0.0',
  },
});
const mark = { digest: digestOf(Buffer.from('c')), name: 'step-1500', step: 1500, madeAt: at(12) };

test('a training that was not interrupted has no table of segments, and uses nothing that was not measured', () => {
  expect(segmentsTable(of(segment(0, 5)))).toBe('');
  expect(usageLine(of(segment(0, 5)))).toBe('');
});

test('segments name what each went on from, and the work that was lost is counted', () => {
  const config = of(
    segment(0, 30, {
      state: 'cancelled',
      usage: {
        seconds: 1800,
        gpus: 2,
        gpuUse: 0.5,
        energyJoules: 3.6e6,
        gpuMemoryPeakBytes: 3 * 2 ** 30,
        cost: 2,
      },
    }),
    segment(40, 70, {
      host: 'gpu|2',
      resumedFrom: mark,
      usage: { seconds: 1800, gpus: 2, gpuUse: 1, energyJoules: 3.6e6, cost: 2 },
    }),
  );
  const rows = segmentsTable(config).replaceAll('\u00a0', ' ').replaceAll('\u2011', '-').split('\n');
  expect(rows[2]).toBe('| 1 | ⏹ cancelled | gpu-1 | 2026-01-01 12:00 | 30 min 0 s | the beginning |');
  expect(rows[3]).toBe(
    '| 2 | ✅ succeeded | gpu&#124;2 | 2026-01-01 12:40 | 30 min 0 s | step-1500, step 1500 (18 min 0 s of work lost) |',
  );
  expect(timeOf(config)).toBe(3_600_000);
  expect(usageLine(config)).toBe(
    '**Used** 2 GPU-hours at 75 % · 3 GiB of GPU memory at most · 2 kWh · 18 min 0 s of work lost to interruptions · cost 4',
  );
});

test('a segment that began anew has lost all of the one before', () => {
  const config = of(segment(0, 30, { state: 'failed' }), segment(40, 70));
  expect(usageLine(config)).toBe('**Used** 30 min 0 s of work lost to interruptions');
});
