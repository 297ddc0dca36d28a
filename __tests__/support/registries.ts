/** Stores of the product on a registry of the tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRegistry, type RegistryPlace } from '../../src/store/registry/open.ts';
import type { RegistryStore } from '../../src/store/registry/registry.ts';
import { type RecordingLog, recordingLog } from './log.ts';

/** A place where a registry is spoken to; nothing is waited for between attempts. */
export function registryPlace(
  folder: string,
  changes: Partial<RegistryPlace> = {},
): RegistryPlace & { readonly log: RecordingLog } {
  return {
    env: {},
    githubToken: undefined,
    signal: new AbortController().signal,
    plainHttp: [],
    scratch: () => mkdtemp(join(folder, 'scratch-')),
    sleep: async () => {},
    ...changes,
    log: recordingLog(),
  };
}

/** Repositories `acme/NAME` of a registry as stores; closing ends the registry. */
export async function registryStores(
  registry: { readonly host: string; close(): Promise<void> },
  changes: Partial<RegistryPlace> = {},
): Promise<{ open(name: string): RegistryStore; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'registry-client-'));
  const place = registryPlace(folder, changes);
  return {
    open: (name) => openRegistry(`oci://${registry.host}/acme/${name}`, 'store', place),
    close: async () => {
      await registry.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** One repository as a store, what its client logged, and how many milliseconds it waited between attempts. */
export interface Opened {
  readonly store: RegistryStore;
  readonly log: RecordingLog;
  readonly waited: readonly number[];
}

/** Opens `acme/digits`, or another repository, of a registry; `folder` takes its temporary files. */
export function openOn(
  { host }: { readonly host: string },
  folder: string,
  changes: Partial<RegistryPlace> & { readonly repository?: string } = {},
): Opened {
  const { repository = 'acme/digits', ...rest } = changes;
  const waited: number[] = [];
  const place = registryPlace(folder, { sleep: async (time) => void waited.push(time), ...rest });
  return { store: openRegistry(`oci://${host}/${repository}`, 'store', place), log: place.log, waited };
}

/** A step's environment with a credential for a host. */
export function credentials(host: string, entry: object): Record<string, string> {
  return { DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [host]: entry } }) };
}
