import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * Aborted by the signals with which a runner, or a person at a terminal, cancels. A second one changes nothing: a program that
 * is being ended would stay behind.
 */
export function cancellation(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => controller.abort(new Error('cancelled')));
  return controller.signal;
}

/** Folders that live as long as the action. */
export function scratchFolders(parent = tmpdir()): { make(): Promise<string>; remove(): Promise<void> } {
  const made: string[] = [];
  return {
    make: async () => {
      const folder = await mkdtemp(join(parent, 'trainyard-'));
      made.push(folder);
      return folder;
    },
    remove: async () => {
      // What cannot be removed is the system's to sweep, and no reason to fail for.
      for (const folder of made) await rm(folder, { recursive: true, force: true }).catch(() => {});
    },
  };
}

/** What may be kept between runs, and made again: `TRAINYARD_CACHE`, else `~/.cache/trainyard`. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  return env.TRAINYARD_CACHE || join(homedir(), '.cache', 'trainyard');
}

/** What serves on this machine, and what it needs: `TRAINYARD_STATE`, else `~/.local/state/trainyard`. */
export function stateFolder(env: Readonly<Record<string, string | undefined>>): string {
  return env.TRAINYARD_STATE ? resolve(env.TRAINYARD_STATE) : join(homedir(), '.local', 'state', 'trainyard');
}
