import { diskSpace } from './disk-space.ts';
import { codeOf, isError, MachineError, messageOf } from './errors.ts';

/** Whether an error, or what caused it, is a disk that is full, or the share of it that somebody or a file may use. */
export function isDiskFull(error: unknown): boolean {
  if (!isError(error)) return false;
  return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(codeOf(error) ?? '') || isDiskFull(error.cause);
}

/** An error as it is, or, if a disk is full, with which one of those that hold these places. */
export async function namingDisk(error: unknown, places: readonly string[]): Promise<unknown> {
  if (!isDiskFull(error)) return error;
  const { full, all } = await diskSpace(places);
  const exitStatus = error instanceof MachineError ? error.exitStatus : undefined;
  return new MachineError(`a disk is full (${full ?? all}): ${messageOf(error)}`, {
    cause: error,
    exitStatus,
  });
}
