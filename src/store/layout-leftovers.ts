import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { filesIn } from './layout-folder.ts';
import { GRACE_MS, isTrash } from './layout-remove.ts';

/** A job may work in a folder of the store for 5 days on a runner of one's own, and be silent meanwhile. */
const JOB_MS = 7 * GRACE_MS;

/**
 * Removes what writers left that died: files written aside, and folders that nobody has written to for a week.
 * @param now in milliseconds since 1970
 * @returns what it removed, in sentences
 */
export async function removeLeftovers(root: string, now: number): Promise<string[]> {
  const old: string[] = [];
  for (const folder of [root, join(root, 'refs'), join(root, 'blobs', 'sha256')])
    for (const name of await filesIn(folder))
      if (name.endsWith('.tmp') && (await isUntouched(join(folder, name), now - GRACE_MS)))
        old.push(join(folder, name));
  for (const name of await filesIn(join(root, 'tmp')))
    if (!isTrash(name) && (await isUntouched(join(root, 'tmp', name), now - JOB_MS)))
      old.push(join(root, 'tmp', name));
  for (const path of old) await rm(path, { recursive: true, force: true });
  return old.map((path) => `${path} is removed, a writer that died has left it`);
}

/** Whether nothing in it was written since. What cannot be looked into is somebody's. */
async function isUntouched(path: string, since: number): Promise<boolean> {
  try {
    const found = await lstat(path);
    // A file that was just moved or linked here may have been written long ago.
    if (Math.max(found.mtimeMs, found.ctimeMs) > since) return false;
    if (!found.isDirectory()) return true;
    for (const name of await readdir(path)) if (!(await isUntouched(join(path, name), since))) return false;
    return true;
  } catch {
    return false;
  }
}
