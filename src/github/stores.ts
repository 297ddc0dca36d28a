import type { RegistryPlace } from '../store/registry/open.ts';
import type { Store } from '../store/store.ts';
import { plainHosts } from './plain-http.ts';

/** What opening a store takes, wherever the action runs. */
export interface StoreHost extends Pick<RegistryPlace, 'env' | 'log' | 'signal' | 'scratch' | 'githubToken'> {
  readonly inActions: boolean;
  /** What a relative path is relative to. */
  readonly folder: string;
  input(name: string): string;
  artifacts(input: string): Promise<Store>;
}

/** Opens the store that an input names. Each kind's code is loaded when it is used. */
export async function openStoreFor(value: string, input: string, host: StoreHost): Promise<Store> {
  const { openStore } = await import('../store/open.ts');
  return openStore(value, input, {
    inActions: host.inActions,
    folder: host.folder,
    artifacts: () => host.artifacts(input),
    registry: async () => {
      const { openRegistry } = await import('../store/registry/open.ts');
      return openRegistry(value, input, {
        ...host,
        plainHttp: plainHosts(host.input('plain-http'), 'plain-http'),
      });
    },
  });
}
