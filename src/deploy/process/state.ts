import { chmod, mkdir, readdir, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LayoutStore } from '../../store/layout.ts';

/** The file in a state folder that holds the last fencing token. */
export const TOKEN = 'token';

/** The folders of one project and environment on this machine. */
export interface State {
  readonly folder: string;
  /** The folder itself as a store: releases with what they stand on, and all Deployments. */
  readonly store: LayoutStore;
  /** Holds a folder for each server that was started: its model and its source. */
  readonly releases: string;
  /** Holds Python environments. */
  readonly environments: string;
}

/** Nothing is made yet. */
export function stateOf(root: string, name: string, environment: string): State {
  const folder = join(root, name, environment);
  return {
    folder,
    store: new LayoutStore(folder),
    releases: join(folder, 'releases'),
    environments: join(folder, 'environments'),
  };
}

/** Makes the folder, which is nobody else's: it holds the control socket. */
export async function makeState({ folder }: State): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
}

/** Removes the folder of a deploy that was refused before it wrote anything; then no front is there that knows a token. */
export async function removeIfEmpty({ folder }: State): Promise<void> {
  const left = await readdir(folder).catch(() => []);
  if (left.every((name) => name === TOKEN)) await rm(join(folder, TOKEN), { force: true });
  for (const one of [folder, dirname(folder)]) await rmdir(one).catch(() => {});
}
