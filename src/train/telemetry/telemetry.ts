import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../../lib/log.ts';
import type { Usage } from '../../records/run.ts';
import type { Asking } from '../gpus/ask.ts';
import type { Gpu } from '../gpus/gpu.ts';
import { GpuUse } from './gpu-use.ts';
import { ProcessUse } from './processes.ts';

/** Between two samples: often enough for a mean over hours, and too seldom to cost anything. */
const SAMPLE_MS = 10_000;
/** The first ones come sooner, so that a short program has been seen, too. */
const FIRST_MS = 1000;

export interface Measured {
  /** Of the program's processes. */
  readonly marker: string;
  readonly gpus: readonly Gpu[];
  /** Of the machine, for an hour, in any currency. */
  readonly pricePerHour?: number | undefined;
  readonly log: Log;
  readonly everyMs?: number;
}

/** A measurement that goes on beside a program. */
export interface Telemetry {
  /** Ends it, and gives what was used since it began. */
  stop(): Promise<Usage>;
}

/** Begins to measure what a program uses. What cannot be measured is left out, and told once. */
export function startTelemetry(
  { marker, gpus, pricePerHour, log, everyMs = SAMPLE_MS }: Measured,
  asking: Pick<Asking, 'env'>,
): Telemetry {
  const over = new AbortController();
  const processes = new ProcessUse(marker);
  const cards = new GpuUse(gpus, { ...asking, signal: over.signal });
  const began = performance.now();
  let areCardsKnown = true;
  const sample = async (): Promise<void> => {
    await processes.sample();
    if (!areCardsKnown) return;
    await cards.sample().catch((error: unknown) => {
      if (over.signal.aborted) return;
      areCardsKnown = false;
      log.warning(
        `use of the GPUs is not measured any more: ${error instanceof Error ? error.message : error}`,
      );
    });
  };
  const work = async (): Promise<void> => {
    for (
      let pause = Math.min(FIRST_MS, everyMs);
      !over.signal.aborted;
      pause = Math.min(2 * pause, everyMs)
    ) {
      await sleep(pause, undefined, { signal: over.signal, ref: false }).catch(() => {});
      if (!over.signal.aborted) await sample();
    }
  };
  const working = work();
  return {
    stop: async () => {
      over.abort();
      await working;
      const seconds = (performance.now() - began) / 1000;
      const { cpuSeconds, memoryPeakBytes } = processes;
      const { use, energyJoules, memoryPeakBytes: gpuMemory } = cards;
      return {
        seconds,
        gpus: gpus.length,
        ...(use !== undefined && { gpuUse: Math.min(1, use) }),
        ...(gpuMemory !== undefined && { gpuMemoryPeakBytes: gpuMemory }),
        ...(energyJoules !== undefined && { energyJoules }),
        ...(memoryPeakBytes > 0 && { cpuSeconds, memoryPeakBytes }),
        ...(pricePerHour !== undefined && { cost: (pricePerHour * seconds) / 3600 }),
      };
    },
  };
}
