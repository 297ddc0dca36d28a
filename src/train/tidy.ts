import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Environment } from '../lib/environment.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Store } from '../store/store.ts';
import { rescueCheckpoints } from './checkpoints/rescue.ts';
import { sweepLeases } from './gpus/census.ts';
import { endLeftJob } from './launchers/slurm/job.ts';
import { endOrphans } from './orphans.ts';
import { isAbandoned } from './sweep.ts';
import { removeWorkspace } from './workspace.ts';

/** A job that was cancelled is ended by force after five minutes. */
const LIMIT_MS = 220_000;
/** How long another training of the same is waited for. */
const PATIENCE_MS = 60_000;

/** What a training leaves behind if its process is killed. */
export const leftover = z.strictObject({
  /** The folder it worked in. */
  workspace: z.string(),
  /** The folder in which it leased GPUs. */
  leases: z.string(),
});
export type Leftover = z.infer<typeof leftover>;

/**
 * Tidies up after a training whose process was killed: ends its program, finishes the checkpoints that it had no time for, and
 * removes its workspace. What can't be done is told as a warning, and is left to the next training on this machine.
 */
export async function tidy(
  { workspace, leases }: Leftover,
  log: Log,
  openStore: (value: string, what: string) => Promise<Store>,
  machine: Environment,
): Promise<void> {
  const late = sleep(LIMIT_MS, undefined, { ref: false }).then(() => {
    throw new Error(`what a killed training left in ${workspace} took more than ${LIMIT_MS / 1000} seconds`);
  });
  const work = async (): Promise<void> => {
    await endOrphans(leases, log);
    await sweepLeases(leases);
    if (!(await isAbandoned(workspace, Date.now()))) return;
    await endLeftJob(workspace, machine);
    await rescueCheckpoints(workspace, log, openStore, { patienceMs: PATIENCE_MS });
    await removeWorkspace(workspace);
    log.info('the workspace of the training is removed');
  };
  try {
    await Promise.race([work(), late]);
  } catch (error) {
    log.warning(`${messageOf(error)}; the next training on this machine tries again`);
  }
}
