import { startDistribution } from '../support/distribution.ts';
import { registryStores } from '../support/registries.ts';
import { describeStore } from '../support/store-suite.ts';

describeStore('the distribution registry', async () => registryStores(await startDistribution()));
