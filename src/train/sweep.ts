import { lstat, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../lib/errors.ts';
import { holderOf, lives, pidNamespace } from '../lib/holder.ts';
import type { Log } from '../lib/log.ts';
import { removeWorkspace } from './workspace.ts';

/** In a workspace: who works in it. */
const HOLDER = 'holder';
const BEAT_MS = 60_000;
/** A training of another machine, container or boot that showed no sign of life for so long has ended. */
const PATIENCE_MS = 24 * 3600_000;

/**
 * Says in a workspace who works in it, and shows from time to time that this process still does.
 * @returns ends the signs of life
 */
export async function claimWorkspace(root: string): Promise<() => void> {
  const file = join(root, HOLDER);
  const text = `${await holderOf(process.pid)} ${await pidNamespace()}`;
  await writeFile(file, text);
  // Written, not touched: so the time is that of the disk, whose clock may be another machine's.
  const beat = setInterval(() => void writeFile(file, text, { flag: 'r+' }).catch(() => {}), BEAT_MS);
  beat.unref();
  return () => clearInterval(beat);
}

/** Whether a folder is the workspace of a training that was killed. */
export async function isAbandoned(root: string, now: number): Promise<boolean> {
  try {
    if (!(await lstat(root)).isDirectory()) return false;
    const file = join(root, HOLDER);
    const { mtimeMs } = await lstat(file);
    const [, holder = '', namespace] = /^(\S+) (.*)$/.exec(await readFile(file, 'utf8')) ?? [];
    if (namespace !== (await pidNamespace())) return now - mtimeMs > PATIENCE_MS;
    return !(await lives(holder));
  } catch {
    return false;
  }
}

/**
 * Removes the workspaces that killed trainings left beside this one's. What they had not made durable is `rescue`'s to look after
 * before.
 * @param own a claimed workspace
 */
export async function sweepWorkspaces(
  own: string,
  log: Log,
  rescue: (root: string) => Promise<void>,
): Promise<void> {
  const { mtimeMs: now } = await lstat(join(own, HOLDER));
  const beside = join(own, '..');
  for (const name of await readdir(beside).catch(() => [])) {
    const root = join(beside, name);
    if (!(await isAbandoned(root, now))) continue;
    try {
      await rescue(root);
      await removeWorkspace(root);
      log.info(`the workspace of a training that was killed is removed: ${root}`);
    } catch (error) {
      log.warning(`the workspace of a training that was killed is left, ${root}: ${messageOf(error)}`);
    }
  }
}
