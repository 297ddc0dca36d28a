/** The suite of all stores, on a folder and on registries of several abilities; the real ones are in engines/. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LayoutStore } from '../../src/store/layout.ts';
import { registryStores } from '../support/registries.ts';
import { startRegistry } from '../support/registry.ts';
import { describeStore } from '../support/store-suite.ts';

describeStore('a folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'suite-'));
  return {
    open: (name) => new LayoutStore(join(root, name)),
    close: () => rm(root, { recursive: true, force: true }),
  };
});

describeStore('a registry that lists referrers', async () => registryStores(await startRegistry()));

describeStore('a registry without the referrers API', async () =>
  registryStores(await startRegistry({ referrers: false, locations: 'relative', monolithicPost: false })),
);

describeStore('a registry that can do the least', async () =>
  registryStores(
    await startRegistry({ referrers: false, mounts: false, ranges: false, pageSize: 2, maxBody: 1_000_000 }),
  ),
);

describeStore('a registry without chunks', async () =>
  registryStores(await startRegistry({ chunks: false, partialChunks: 'dropped' })),
);
