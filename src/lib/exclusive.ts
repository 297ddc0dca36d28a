import { mkdir, readdir, rename, rm, rmdir, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from './errors.ts';
import { aside } from './files.ts';
import { holderOf, lives } from './holder.ts';

/**
 * Does some work while no other of this machine does work under the same folder. The lock is the folder with one file in it,
 * named after its holder; a folder is renamed onto an empty one only, and a holder that is gone is removed by its
 * own name, so that no two take the same lock.
 * @param whenHeld is told the process that holds it; it throws to give up, or resolves when it is time to try again
 */
export async function exclusively<T>(
  folder: string,
  whenHeld: (pid: number) => Promise<void>,
  work: () => Promise<T>,
): Promise<T> {
  const holder = await holderOf(process.pid);
  await take(folder, holder, whenHeld);
  try {
    return await work();
  } finally {
    await unlink(join(folder, holder));
    // Unless another process has taken it at this moment.
    await rmdir(folder).catch(() => {});
  }
}

async function take(folder: string, holder: string, whenHeld: (pid: number) => Promise<void>): Promise<void> {
  const temporary = aside(folder);
  await mkdir(temporary, { recursive: true, mode: 0o700 });
  await writeFile(join(temporary, holder), '');
  try {
    while (!(await renameOntoEmpty(temporary, folder))) {
      for (const other of await readdir(folder).catch(() => [])) {
        if (await lives(other)) await whenHeld(Number(other.split('-')[0]));
        else await rm(join(folder, other), { force: true });
      }
    }
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Gives a folder a name that none has, or an empty one; false when it is taken. */
export async function renameOntoEmpty(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}
