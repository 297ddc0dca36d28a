import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
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

/** A tool that a killed action had started, such as uv, ends by itself a moment later. */
const AFTERGLOW_MS = 5000;

/** Fails unless trainings have left no process, no lease and no workspace. */
export async function expectNothingLeft(place: TrainingPlace): Promise<void> {
  const deadline = performance.now() + AFTERGLOW_MS;
  let left = await leftBy(place);
  while (left.processes.length > 0 && performance.now() < deadline) {
    await sleep(100);
    left = await leftBy(place);
  }
  expect(left).toEqual({ marked: [], processes: [], leases: [], workspaces: [] });
}

async function leftBy({ root, leases, yard }: TrainingPlace) {
  const prefix = /^train-\d+-[0-9a-f]+-/.exec(await trainingMarker(leases))?.[0] ?? 'no such prefix';
  return {
    marked: await findGroup(prefix),
    processes: await Promise.all((await processesOf(root)).map(commandOf)),
    leases: await namesIn(leases),
    workspaces: await namesIn(join(yard, 'tmp')),
  };
}

async function commandOf(pid: number): Promise<string> {
  const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
  return `${pid} ${line.replaceAll('\0', ' ')}`;
}

function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}
