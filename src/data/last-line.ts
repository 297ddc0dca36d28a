import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Environment } from '../lib/environment.ts';
import { MachineError, UserError } from '../lib/errors.ts';
import { startGroup } from '../lib/process.ts';

/** Lines of a failed command that its error tells. */
const TAIL = 10;
const GRACE_SECONDS = 5;

/**
 * Runs a command of the user's to its end, with all that it started, and gives the last line that it printed, empty without one.
 * @param what for errors: what it is run for
 * @throws UserError when it cannot be started, or ends with another status than 0; the reason of `signal` when that is aborted
 */
export async function lastLineOf(
  argv: readonly string[],
  { cwd, env, signal }: { readonly cwd: string; readonly env: Environment; readonly signal: AbortSignal },
  what: string,
): Promise<string> {
  const group = await startGroup(argv, { cwd, env }).catch((error: unknown) => {
    throw error instanceof MachineError ? new UserError(`${what}: ${error.message}`) : error;
  });
  const stop = (): void => void group.end(GRACE_SECONDS);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  let printed = '';
  const out = createInterface({ input: group.stdout }).on('line', (line) => {
    if (line.trim() !== '') printed = line.trim();
  });
  const lines: string[] = [];
  const errors = createInterface({ input: group.stderr }).on('line', (line) => {
    if (lines.push(line) > TAIL) lines.shift();
  });
  const isRead = Promise.all([once(out, 'close'), once(errors, 'close')]);
  const exit = await group.exited;
  // What it left running would go on writing.
  await group.end(GRACE_SECONDS);
  await isRead;
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  if (exit.status === 0) return printed;
  const how = exit.signal ?? `status ${exit.status}`;
  throw new UserError(`${what}: ${argv[0]} ended with ${how}${lines.map((line) => `\n${line}`).join('')}`);
}
