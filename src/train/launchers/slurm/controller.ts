import { setTimeout as sleep } from 'node:timers/promises';
import type { Environment } from '../../../lib/environment.ts';
import { MachineError, messageOf, UserError } from '../../../lib/errors.ts';
import { CommandError, run } from '../../../lib/process.ts';

/** A controller that does not answer must not keep a cancellation waiting. */
const ANSWER_MS = 20_000;
/** How long a controller may be down while a job is submitted, and the pause between two tries. */
const DOWN_MS = 300_000;
const AGAIN_MS = 5000;

/** What Slurm says of a job. */
export interface JobState {
  /** `PENDING`, `RUNNING`, `COMPLETED`, `TIMEOUT`, … */
  readonly state: string;
  /** Why it waits, in Slurm's own word. */
  readonly reason: string;
}

/** Slurm's own commands, with what they need of the machine. */
export class Controller {
  readonly #env: Environment;

  constructor(machine: Environment) {
    const wanted = /^(PATH|HOME|USER|LOGNAME|LANG|SLURM_CONF|MUNGE_SOCKET)$/;
    this.#env = Object.fromEntries(Object.entries(machine).filter(([name]) => wanted.test(name)));
  }

  /**
   * Submits a job; gives its number. A controller that is down is waited for.
   * @throws UserError when Slurm refuses it, or is not on this machine; the reason of the signal
   */
  async submit(options: readonly string[], script: string, signal: AbortSignal): Promise<string> {
    for (const begin = performance.now(); ; ) {
      signal.throwIfAborted();
      try {
        const { stdout } = await run(['sbatch', ...options, script], { env: this.#env });
        // `NUMBER` or `NUMBER;CLUSTER`
        return stdout.toString().trim().split(';')[0] ?? '';
      } catch (error) {
        const isRefused = error instanceof CommandError;
        if (!isRefused)
          throw new UserError(
            `sbatch cannot be started (${messageOf(error)}); the launcher slurm needs a runner on a machine that may submit jobs`,
            { cause: error },
          );
        const isDown = /Unable to contact|Connection refused/i.test(error.stderr);
        if (!isDown || performance.now() - begin > DOWN_MS)
          throw new UserError(`Slurm does not take the job: ${error.message}`, { cause: error });
      }
      await sleep(AGAIN_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** What Slurm says of a job; undefined when it knows none of that number. @throws MachineError when it does not answer */
  async look(job: string): Promise<JobState | undefined> {
    const signal = AbortSignal.timeout(ANSWER_MS);
    try {
      const { stdout } = await run(['scontrol', '--oneliner', 'show', 'job', job], {
        env: this.#env,
        signal,
      });
      const field = (name: string): string =>
        new RegExp(`\\b${name}=(\\S*)`).exec(stdout.toString())?.[1] ?? '';
      return { state: field('JobState'), reason: field('Reason') };
    } catch (error) {
      if (error instanceof CommandError && /Invalid job id/i.test(error.stderr)) return undefined;
      throw new MachineError(`Slurm's controller does not answer: ${messageOf(error)}`, { cause: error });
    }
  }

  /**
   * Asks the program to end: its processes, and neither the script nor srun, which would kill them at once.
   * @returns whether Slurm took it
   */
  ask(job: string): Promise<boolean> {
    return this.#cancel(['--signal=TERM', job]);
  }

  /** Ends a job, waiting or running, by force. */
  async end(job: string): Promise<void> {
    await this.#cancel(['--signal=KILL', '--full', job]);
    await this.#cancel([job]);
  }

  async #cancel(options: readonly string[]): Promise<boolean> {
    const signal = AbortSignal.timeout(ANSWER_MS);
    try {
      await run(['scancel', ...options], { env: this.#env, signal });
      return true;
    } catch (error) {
      // Whoever asked looks whether it is still there.
      if (error instanceof CommandError || signal.aborted) return false;
      throw error;
    }
  }
}

/** Whether a job in this state has not ended. */
export function isAlive({ state }: JobState): boolean {
  return /^(PENDING|CONFIGURING|RUNNING|COMPLETING|SUSPENDED|REQUEUED?|STOPPED|RESIZING|SIGNALING|STAGE_OUT|SPECIAL_EXIT|RESV_DEL_HOLD|REQUEUE_\w+)$/.test(
    state,
  );
}
