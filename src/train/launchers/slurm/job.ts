import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../../../lib/environment.ts';
import { MachineError } from '../../../lib/errors.ts';
import { writeWhole } from '../../../lib/files.ts';
import { Controller, isAlive } from './controller.ts';
import { parseState } from './says.ts';
import type { JobFiles } from './script.ts';

const FOLDER = 'slurm';
const GONE_MS = 120_000;

/** Makes the folder of a job's files in a training's workspace. */
export async function makeJobFiles(root: string): Promise<JobFiles> {
  const at = (name: string): string => join(root, FOLDER, name);
  await mkdir(join(root, FOLDER), { mode: 0o700 });
  const files = {
    script: at('job.sh'),
    environment: at('environment.sh'),
    log: at('log.txt'),
    state: at('state'),
  };
  await writeFile(files.log, '');
  await writeFile(files.state, '');
  return files;
}

/** Says in a workspace which job is its own, by which it is found when this process was killed. */
export async function noteJob(root: string, job: string): Promise<void> {
  await writeWhole(join(root, FOLDER, 'job'), job);
}

/**
 * Ends the job that a killed training left to Slurm, and waits until it is gone.
 * @param root the workspace that it left
 * @throws MachineError when Slurm does not end it
 */
export async function endLeftJob(root: string, machine: Environment): Promise<void> {
  const at = (name: string): string => join(root, FOLDER, name);
  const noted = await readFile(at('job'), 'utf8').catch(() => '');
  // Who was killed before the number was noted has a job that tells it, once it begins.
  const job = noted || parseState(await readFile(at('state'), 'utf8').catch(() => '')).job;
  if (job !== undefined) await endJob(new Controller(machine), job);
}

/** Ends a job, waiting or running, and waits until Slurm says that it is over. @throws MachineError when it does not */
export async function endJob(controller: Controller, job: string): Promise<void> {
  const deadline = performance.now() + GONE_MS;
  await controller.end(job);
  for (;;) {
    const found = await controller.look(job).catch((error: unknown) => {
      if (performance.now() > deadline) throw error;
      return { state: 'COMPLETING', reason: '' };
    });
    if (found === undefined || !isAlive(found)) return;
    if (performance.now() > deadline)
      throw new MachineError(
        `Slurm job ${job} is ${found.state} two minutes after it was cancelled; look at it with scontrol show job ${job}`,
      );
    await sleep(250);
    await controller.end(job);
  }
}
