import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../../lib/errors.ts';
import { type SharedLock, takeSharedLock, type Waiting } from '../../lib/shared-lock.ts';
import type { Place } from './place.ts';
import { takeTagLock } from './tag-lock.ts';

/**
 * Waits until no other job trains the same, on any machine, and keeps all others waiting.
 * @throws UserError for a place that cannot be one; the reason of the signal
 */
export async function takeLock({ folder, store, trainingId }: Place, waiting: Waiting): Promise<SharedLock> {
  if (folder === undefined) return takeTagLock(store, trainingId, waiting);
  await mkdir(dirname(folder), { recursive: true }).catch((cause: unknown) => {
    throw new UserError(
      `checkpoints cannot be kept in ${dirname(folder)}; give a folder that this machine may write to, by the input checkpoints or by TRAINYARD_CHECKPOINTS`,
      { cause },
    );
  });
  // Beside the folder, which is removed as a whole while others may wait.
  return takeSharedLock(`${folder}.lock`, waiting);
}
