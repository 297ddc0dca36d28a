import { mkdir, readdir, rename, rm, rmdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf, UserError } from '../lib/errors.ts';
import { aside } from '../lib/files.ts';
import { holderOf, lives } from '../lib/holder.ts';

/**
 * Does some work while no other process of this machine does work under the same folder. The lock is the folder with one file in it,
 * named after its holder; a folder is renamed onto an empty one only, and a holder that is gone is removed by its
 * own name, so that no two processes take the same lock.
 * @param what is being done, for the error
 * @throws UserError when another process holds it
 */
export async function withLock<T>(folder: string, what: string, work: () => Promise<T>): Promise<T> {
  const holder = await holderOf(process.pid);
  await take(folder, holder, what);
  try {
    return await work();
  } finally {
    await unlink(join(folder, holder));
    // Unless another process has taken it at this moment.
    await rmdir(folder).catch(() => {});
  }
}

async function take(folder: string, holder: string, what: string): Promise<void> {
  const temporary = aside(folder);
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  await writeFile(join(temporary, holder), '');
  try {
    while (!(await tryRename(temporary, folder))) {
      for (const other of await readdir(folder).catch(() => [])) {
        if (await lives(other))
          throw new UserError(
            `${what} is being done already, by process ${other.split('-')[0]}; wait for its end, or end it. In a workflow, concurrency: {group: NAME/ENVIRONMENT, queue: max} makes jobs wait`,
          );
        await rm(join(folder, other), { force: true });
      }
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function tryRename(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}
