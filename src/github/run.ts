import { MachineError, messageOf, UserError } from '../lib/errors.ts';
import type { Action, Job } from './action.ts';
import { failureSummary } from './markdown.ts';

/** The place where an action runs: a step of GitHub Actions, or a command line. */
export interface Host {
  readonly job: Job;
  input(name: string): string;
  output(outputs: Readonly<Record<string, string>>): void;
  summarise(markdown: string): Promise<void>;
  /** The one place where a step fails. */
  fail(message: string): void;
  close(): Promise<void>;
}

/** Runs an action: inputs, work, outputs, summary; every failure told by whose fault it is. */
export async function runAction(name: string, load: () => Promise<Action>, host: Host): Promise<void> {
  try {
    const action = await load();
    const outcome = await action.run((input) => host.input(input), host.job);
    host.output(outcome.outputs);
    await host.summarise(outcome.summary);
    if (outcome.failure !== undefined) host.fail(outcome.failure);
  } catch (error) {
    const message = tell(error, host.job.signal);
    await host.summarise(failureSummary(name, message));
    host.fail(message);
  } finally {
    await host.close();
  }
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
  return error instanceof Error && 'syscall' in error && 'code' in error;
}
