import { UserError } from '../lib/errors.ts';
import { exclusively } from '../lib/exclusive.ts';

/**
 * Does some work while no other process of this machine does work under the same folder.
 * @param what is being done, for the error
 * @throws UserError when another process holds it
 */
export async function withLock<T>(folder: string, what: string, work: () => Promise<T>): Promise<T> {
  const refuse = async (pid: number): Promise<void> => {
    throw new UserError(
      `${what} is being done already, by process ${pid}; wait for its end, or end it. In a workflow, concurrency: {group: NAME/ENVIRONMENT, queue: max} makes jobs wait`,
    );
  };
  return exclusively(folder, refuse, work);
}
