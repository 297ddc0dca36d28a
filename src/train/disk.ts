import { tmpdir } from 'node:os';
import { codeOf, isError, MachineError, messageOf } from '../lib/errors.ts';
import { diskSpace } from './disk-space.ts';
import type { TrainDeps } from './request.ts';

/** Whether an error, or what caused it, is a disk that is full, or the share of it that somebody may use. */
export function isDiskFull(error: unknown): boolean {
  if (!isError(error)) return false;
  return ['ENOSPC', 'EDQUOT'].includes(codeOf(error) ?? '') || isDiskFull(error.cause);
}

/** Paths on all disks that a training writes to. */
export function disksOf(workspace: string, { checkpoints, environments, env }: TrainDeps): string[] {
  return [workspace, checkpoints, environments, env.TMPDIR || tmpdir()].filter(
    (place) => !place.startsWith('oci:'),
  );
}

/** An error as it is, or, if a disk is full, with which one that is. */
export async function namingDisk(error: unknown, places: readonly string[]): Promise<unknown> {
  if (!isDiskFull(error)) return error;
  const { full, all } = await diskSpace(places);
  return new MachineError(`a disk is full (${full ?? all}): ${messageOf(error)}`, { cause: error });
}
