import { availableParallelism, totalmem } from 'node:os';
import { VERSION } from '../lib/version.ts';
import type { RunConfig } from '../records/run.ts';
import type { Gpu } from './gpus/gpu.ts';

/** What a Run says of the machine that it ran on. */
export function describeMachine(python: string, gpus: readonly Gpu[]): RunConfig['machine'] {
  return {
    os: process.platform,
    architecture: process.arch,
    processors: availableParallelism(),
    memoryBytes: totalmem(),
    ...(gpus.length > 0 && {
      gpus: gpus.map(({ name, memoryBytes, driver }) => ({
        name,
        ...(memoryBytes !== undefined && { memoryBytes }),
        ...(driver !== undefined && { driver }),
      })),
    }),
    python,
    trainyard: VERSION,
  };
}
