import { stat } from 'node:fs/promises';
import { isAbsolute, resolve } from 'node:path';
import { codeOf, UserError } from '../lib/errors.ts';
import { LayoutStore } from './layout.ts';
import type { Store } from './store.ts';

/** What a store may need of the place where it is opened. */
export interface StorePlace {
  /** Whether this is a job of GitHub Actions, where every job has a folder of its own. */
  readonly inActions: boolean;
  /** What a relative path is relative to, outside Actions. */
  readonly folder: string;
  /** Opens the artifacts of this workflow run. */
  readonly artifacts: () => Promise<Store>;
  /** Opens a repository of a registry, `oci://HOST/REPOSITORY`. */
  readonly registry: (value: string, input: string) => Promise<Store>;
}

/**
 * Opens a store by the value that the user wrote.
 * @throws UserError for an unknown scheme, a relative path in a job, or a file
 */
export async function openStore(value: string, input: string, place: StorePlace): Promise<Store> {
  if (value === 'artifact:') return place.artifacts();
  if (value.startsWith('oci://')) return place.registry(value, input);
  if (/^[a-z][a-z0-9+.-]*:/i.test(value)) {
    throw new UserError(
      `${input} is ${JSON.stringify(value)}, a kind of store that is not known. Known are: a folder (/srv/models), oci://HOST/REPOSITORY (a registry), and artifact: (the artifacts of this workflow run)`,
    );
  }
  if (value === '')
    throw new UserError(`${input} is empty; give a folder (/srv/models), oci://HOST/REPOSITORY or artifact:`);
  if (place.inActions && !isAbsolute(value)) {
    throw new UserError(
      `${input} is ${JSON.stringify(value)}, a relative path, and each job has a folder of its own. Give an absolute path on a disk that all jobs share, or artifact:`,
    );
  }
  const folder = resolve(place.folder, value);
  await refuseFile(folder, `${input} is ${JSON.stringify(value)}`);
  return new LayoutStore(folder, value);
}

/** A folder that is not there yet is made by the first write. */
async function refuseFile(folder: string, what: string): Promise<void> {
  const found = await stat(folder).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    if (codeOf(error) === 'ENOTDIR') throw new UserError(`${what}, below a file; a store is a folder`);
    throw error;
  });
  if (found !== undefined && !found.isDirectory())
    throw new UserError(`${what}, a file; a store is a folder (name another one, or remove the file)`);
}
