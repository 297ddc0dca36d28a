import { MachineError, messageOf, UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Store } from '../store/store.ts';
import { type Inputs, type Readers, readInputs } from './inputs.ts';
import { failureSummary } from './markdown.ts';

/** What an action knows of the place where it runs. */
export interface Job {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  /** Aborted when the job is cancelled (SIGINT or SIGTERM). */
  readonly signal: AbortSignal;
  /** The folder of the user's checkout; the current folder outside Actions. */
  readonly workspace: string;
  readonly inActions: boolean;
  /** A new empty folder, removed when the action ends. */
  scratch(): Promise<string>;
  /** Opens the store that an input names. */
  openStore(value: string, input: string): Promise<Store>;
  /** Hides a secret in all later output. */
  mask(secret: string): void;
}

/** What an action gives back. With `failure` the step fails, after its outputs and summary were written. */
export interface Outcome {
  readonly outputs: Readonly<Record<string, string>>;
  /** Markdown, its first line the verdict. */
  readonly summary: string;
  readonly failure?: string;
}

export interface Action {
  readonly inputNames: readonly string[];
  /** @param read gives the text of an input, empty when it was not set */
  run(read: (name: string) => string, job: Job): Promise<Outcome>;
}

/** Ties an action's readers to its work, so that `run` sees exact types. */
export function defineAction<R extends Readers>(definition: {
  inputs: R;
  run(inputs: Inputs<R>, job: Job): Promise<Outcome>;
}): Action {
  return {
    inputNames: Object.keys(definition.inputs),
    run: (read, job) => definition.run(readInputs(definition.inputs, read), job),
  };
}

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
  if (error instanceof MachineError) return `the machine or a service failed: ${messageOf(error)}`;
  const stack = error instanceof Error ? error.stack : String(error);
  return `this is a bug of Trainyard, please report it with these lines: ${stack}`;
}
