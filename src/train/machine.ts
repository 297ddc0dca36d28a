import { availableParallelism, totalmem } from 'node:os';
import { VERSION } from '../lib/version.ts';
import type { RunConfig } from '../records/run.ts';

/** What a Run says of the machine that it ran on. */
export function describeMachine(python: string): RunConfig['machine'] {
  return {
    os: process.platform,
    architecture: process.arch,
    processors: availableParallelism(),
    memoryBytes: totalmem(),
    python,
    trainyard: VERSION,
  };
}
