import type { Group } from '../../lib/process.ts';
import type { LauncherSays } from '../ending.ts';

/** A program that was started, and all that it starts. */
export interface Launched extends Group {
  /** What the launcher's own system says of the end, once there is one; undefined when it has nothing to say. */
  says?(): Promise<LauncherSays | undefined>;
}

export interface StartOptions {
  /** The folder that the program is started in. */
  readonly cwd: string;
  /** Its whole environment; the marker is added. */
  readonly env: Readonly<Record<string, string>>;
  readonly marker: string;
  /** The training's folder, for files of the launcher's own. */
  readonly root: string;
  /** How long its beginning may be waited for, in seconds. */
  readonly budgetSeconds?: number | undefined;
}

/**
 * Starts a program. It throws UserError for a command that does not start.
 */
export type Start = (command: readonly string[], options: StartOptions) => Promise<Launched>;
