import { plain, table, unbroken } from '../github/markdown.ts';
import type { RunConfig, RunState, Segment } from '../records/run.ts';
import { durationText, figure } from './figures.ts';

/** How a training ended, in one sign. */
export const MARKS: Readonly<Record<RunState, string>> = {
  succeeded: '✅',
  checkpointed: '⏸',
  cancelled: '⏹',
  'out-of-memory': '❌',
  'out-of-gpu-memory': '❌',
  'disk-full': '❌',
  hung: '❌',
  diverged: '❌',
  failed: '❌',
};

/** The stretches of a training that was interrupted, or nothing for one that was not. */
export function segmentsTable({ segments }: RunConfig): string {
  if (segments.length < 2) return '';
  const rows = segments.map((segment, i) => [
    String(i + 1),
    unbroken(`${MARKS[segment.state]} ${segment.state}`),
    plain(segment.host),
    unbroken(segment.startedAt.slice(0, 16).replace('T', ' ')),
    unbroken(durationText(millisecondsOf(segment))),
    resumed(segment, segments[i - 1]),
  ]);
  return table(['segment', 'ended', 'on', 'began (UTC)', '>took', 'went on from'], rows);
}

/** What the training used in all its segments, what of it was lost, and what it cost. */
export function usageLine({ segments }: RunConfig): string {
  const sum = (pick: (segment: Segment) => number | undefined): number =>
    segments.reduce((total, segment) => total + (pick(segment) ?? 0), 0);
  const peak = (pick: (segment: Segment) => number | undefined): number =>
    Math.max(0, ...segments.map((segment) => pick(segment) ?? 0));
  const gpuSeconds = sum(({ usage }) => (usage === undefined ? 0 : usage.gpus * usage.seconds));
  const use = gpuSeconds === 0 ? 0 : sum(({ usage }) => busy(usage)) / gpuSeconds;
  const energy = sum(({ usage }) => usage?.energyJoules) / 3.6e6;
  const cost = sum(({ usage }) => usage?.cost);
  const lost = segments.reduce((total, segment, i) => total + lostBefore(segment, segments[i - 1]), 0);
  const parts = [
    gpuSeconds > 0 &&
      `${figure(gpuSeconds / 3600)} GPU-hours${use > 0 ? ` at ${Math.round(100 * use)} %` : ''}`,
    sizeText(
      peak(({ usage }) => usage?.gpuMemoryPeakBytes),
      'GPU memory',
    ),
    energy > 0 && `${figure(energy)} kWh`,
    sum(({ usage }) => usage?.cpuSeconds) > 0 &&
      `${durationText(1000 * sum(({ usage }) => usage?.cpuSeconds))} of processors`,
    sizeText(
      peak(({ usage }) => usage?.memoryPeakBytes),
      'memory',
    ),
    lost > 0 && `${durationText(lost)} of work lost to interruptions`,
    cost > 0 && `cost ${figure(cost)}`,
  ].filter(Boolean);
  return parts.length === 0 ? '' : `**Used** ${parts.join(' · ')}`;
}

/** How long all segments took together, in milliseconds. */
export function timeOf({ segments }: RunConfig): number {
  return segments.reduce((total, segment) => total + millisecondsOf(segment), 0);
}

function busy(usage: Segment['usage']): number {
  return usage?.gpuUse === undefined ? 0 : usage.gpuUse * usage.gpus * usage.seconds;
}

function millisecondsOf({ startedAt, endedAt }: Segment): number {
  return Math.max(0, Date.parse(endedAt) - Date.parse(startedAt));
}

/** What the segment before had done since the checkpoint that this one went on from. */
function lostBefore({ resumedFrom }: Segment, before: Segment | undefined): number {
  if (before === undefined) return 0;
  if (resumedFrom === undefined) return millisecondsOf(before);
  return Math.max(0, Date.parse(before.endedAt) - Date.parse(resumedFrom.madeAt));
}

function resumed(segment: Segment, before: Segment | undefined): string {
  const { resumedFrom } = segment;
  if (resumedFrom === undefined) return 'the beginning';
  const step = resumedFrom.step === undefined ? '' : `, step ${resumedFrom.step}`;
  const lost = lostBefore(segment, before);
  return `${plain(resumedFrom.name)}${step}${lost >= 1000 ? ` (${durationText(lost)} of work lost)` : ''}`;
}

function sizeText(bytes: number, what: string): string | false {
  if (bytes === 0) return false;
  return `${figure(bytes >= 2 ** 30 ? bytes / 2 ** 30 : bytes / 2 ** 20)} ${bytes >= 2 ** 30 ? 'GiB' : 'MiB'} of ${what} at most`;
}
