import { codeOf, MachineError, messageOf, UserError } from '../lib/errors.ts';
import type { Action, Job } from './action.ts';
import { failureSummary } from './markdown.ts';
import { guardSecrets } from './secrets.ts';

const CANCEL_MS = 9000;

/** The place where an action runs: a step of GitHub Actions, or a command line. */
export interface Host {
  readonly job: Job;
  input(name: string): string;
  output(outputs: Readonly<Record<string, string>>): void;
  summarise(markdown: string): Promise<void>;
  /** The one place where a step fails; `summary` is what to show when the action itself had none. */
  fail(message: string, summary?: string): Promise<void>;
  close(): Promise<void>;
}

/** Runs an action: inputs, work, outputs, summary; every failure told by whose fault it is. */
export async function runAction(name: string, load: () => Promise<Action>, host: Host): Promise<void> {
  const guard = guardSecrets(host.job);
  try {
    const action = await load();
    const outcome = await orCancelled(
      action.run((input) => host.input(input), guard.job),
      host.job.signal,
    );
    guard.check(outcome);
    host.output(outcome.outputs);
    await host.summarise(outcome.summary);
    if (outcome.failure !== undefined) await host.fail(guard.hide(outcome.failure));
    if (outcome.exitStatus !== undefined) process.exitCode = outcome.exitStatus;
  } catch (error) {
    const message = guard.hide(tell(error, host.job.signal));
    await host.fail(message, failureSummary(name, message));
    if (error instanceof MachineError && error.exitStatus !== undefined) process.exitCode = error.exitStatus;
  } finally {
    await host.close();
  }
}

/**
 * What was asked to stop has until shortly before a runner's own patience of 10 seconds is over (SIGTERM comes after 7.5, SIGKILL then). A
 * training ends its program and saves its checkpoint in that time; an action that has nothing to end need not know of cancellation.
 */
async function orCancelled<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const cancelled = new Promise<never>((_, reject) => {
    const begin = (): void => {
      timer = setTimeout(() => reject(signal.reason), CANCEL_MS);
    };
    if (signal.aborted) begin();
    else signal.addEventListener('abort', begin, { once: true });
  });
  return Promise.race([work, cancelled]).finally(() => clearTimeout(timer));
}

function tell(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return 'cancelled';
  if (error instanceof UserError) return messageOf(error);
  if (error instanceof MachineError || isSystemError(error))
    return `the machine or a service failed: ${messageOf(error)}`;
  const stack = error instanceof Error ? error.stack : String(error);
  return `this is a bug of Trainyard, please report it with these lines: ${stack}`;
}

/** Node's own errors of the operating system: a disk that is full, a folder that may not be written. */
function isSystemError(error: unknown): boolean {
  return codeOf(error) !== undefined && typeof error === 'object' && error !== null && 'syscall' in error;
}
