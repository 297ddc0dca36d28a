import type { Log } from '../lib/log.ts';
import type { Store } from '../store/store.ts';
import { type Inputs, type Readers, readInputs } from './inputs.ts';

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
  /** @param signal aborts its transfers; the job's own by default */
  openStore(value: string, input: string, signal?: AbortSignal): Promise<Store>;
  /** Keeps a text without secrets for this action's post step; only the last one counts, and outside Actions none does. */
  remember(text: string): void;
  /** What the main step kept; empty when it kept nothing. */
  readonly remembered: string;
  /** Hides a secret in all later output; its name is told where that cannot be done well. */
  mask(secret: string, name?: string): void;
}

/** What an action gives back. With `failure` the step fails, after its outputs and summary were written. */
export interface Outcome {
  readonly outputs: Readonly<Record<string, string>>;
  /** Markdown, its first line the verdict. */
  readonly summary: string;
  readonly failure?: string;
  /** The exit status of a failure that callers have to tell from others; default 1. */
  readonly exitStatus?: number;
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
    run: async (read, job) => definition.run(readInputs(definition.inputs, read), job),
  };
}
