import { types } from 'node:util';

const { isNativeError } = types;

/**
 * Whose fault it is decides how an error is told: a user's mistake names the place and the fix, a machine's fault
 * names what to look at, and anything else is our own bug and keeps its stack.
 */
export class UserError extends Error {
  override name = 'UserError';
}

/** The machine, the network or a service failed; the same call may succeed later or elsewhere. */
export class MachineError extends Error {
  override name = 'MachineError';
  /** With which an action ends because of it, where that has to be told from other failures. */
  readonly exitStatus: number | undefined;

  constructor(
    message: string,
    { cause, exitStatus }: { cause?: unknown; exitStatus?: number | undefined } = {},
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.exitStatus = exitStatus;
  }
}

/** Several mistakes of the user's, reported at once. */
export function userErrors(title: string, problems: readonly string[]): UserError {
  return new UserError(
    problems.length === 1
      ? `${title}: ${problems[0]}`
      : [`${title}:`, ...problems.map((p) => `  - ${p}`)].join('\n'),
  );
}

/** Whether it is an error, of this realm or another. */
export function isError(value: unknown): value is Error {
  return isNativeError(value);
}

/** The error code of Node's system errors (`ENOENT`, …), or undefined. */
export function codeOf(error: unknown): string | undefined {
  return isNativeError(error) && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** One line for people, the causes included. */
export function messageOf(error: unknown): string {
  if (!isNativeError(error)) return String(error);
  if (error.cause === undefined) return error.message;
  const why = messageOf(error.cause);
  return error.message.includes(why) ? error.message : `${error.message} (${why})`;
}
