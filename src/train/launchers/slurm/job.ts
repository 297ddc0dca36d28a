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
/** How long the program of a killed training may take to write a checkpoint. */
const GRACE_MS = 30_000;
/** A job that is told to end is told again after so many looks at it. */
const AGAIN = 10;

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
  if (job === undefined) return;
  const controller = new Controller(machine);
  await askToEnd(controller, job);
  await endJob(controller, job);
}

/** Gives a program that runs the time to write a checkpoint. */
async function askToEnd(controller: Controller, job: string): Promise<void> {
  const deadline = performance.now() + GRACE_MS;
  const isRunning = async (): Promise<boolean> =>
    (await controller.look(job).catch(() => undefined))?.state === 'RUNNING';
  if (!(await isRunning()) || !(await controller.ask(job))) return;
  while (performance.now() < deadline && (await isRunning())) await sleep(1000);
}

/** Ends a job, waiting or running, and waits until Slurm says that it is over. @throws MachineError when it does not */
export async function endJob(controller: Controller, job: string): Promise<void> {
  const deadline = performance.now() + GONE_MS;
  for (let looks = 0; ; looks += 1) {
    if (looks % AGAIN === 0) await controller.end(job);
    const found = await controller.look(job).catch((error: unknown) => {
      if (performance.now() > deadline) throw error;
      return { state: 'COMPLETING', reason: '' };
    });
    if (found === undefined || !isAlive(found)) return;
    if (performance.now() > deadline)
      throw new MachineError(
        `Slurm job ${job} is ${found.state} two minutes after it was cancelled; look at it with scontrol show job ${job}`,
      );
    await sleep(500);
  }
}
