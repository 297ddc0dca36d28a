import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { findGroup } from '../../src/lib/descendants.ts';
import { trainingMarker } from '../../src/train/orphans.ts';
import { processesOf } from './processes.ts';

/** Where a machine trains. */
export interface TrainingPlace {
  /** A folder that has to do with every process of its trainings: their workspaces, or TRAINYARD_LEASES, lie in it. */
  readonly root: string;
  readonly leases: string;
  /** The hand-off, a folder. */
  readonly yard: string;
}

/** Fails unless trainings have left no process, no lease and no workspace. */
export async function expectNothingLeft({ root, leases, yard }: TrainingPlace): Promise<void> {
  const prefix = /^train-\d+-[0-9a-f]+-/.exec(await trainingMarker(leases))?.[0] ?? 'no such prefix';
  expect({
    marked: await findGroup(prefix),
    processes: await processesOf(root),
    leases: await namesIn(leases),
    workspaces: await namesIn(join(yard, 'tmp')),
  }).toEqual({ marked: [], processes: [], leases: [], workspaces: [] });
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
