import { tmpdir } from 'node:os';
import type { TrainDeps } from './request.ts';

/** Paths on all disks that a training writes to. */
export function disksOf(workspace: string, { checkpoints, environments, env }: TrainDeps): string[] {
  return [workspace, checkpoints, environments, env.TMPDIR || tmpdir()].filter(
    (place) => !place.startsWith('oci:'),
  );
}
