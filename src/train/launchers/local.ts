import { join } from 'node:path';
import { messageOf, UserError } from '../../lib/errors.ts';
import { openPipe } from '../../lib/pipe.ts';
import { startGroup } from '../../lib/process.ts';
import type { Launched, StartOptions } from './launcher.ts';

/**
 * Starts the program on this machine; all that it prints, in its order, is the group's stdout.
 * @throws UserError for a command that does not start
 */
export async function startLocal(
  command: readonly string[],
  { cwd, env, marker, root }: StartOptions,
): Promise<Launched> {
  const pipe = await openPipe(join(root, 'log.pipe'));
  try {
    const group = await startGroup(command, { cwd, env, marker, output: pipe.writer });
    return { ...group, stdout: pipe.reader };
  } catch (error) {
    pipe.reader.destroy();
    throw new UserError(
      `the trainer's command does not start: ${messageOf(error)}. It must be in the environment of its lock, or on this machine`,
      { cause: error },
    );
  } finally {
    pipe.close();
  }
}
