/** A deploy to a cluster of its own process, which kills itself once a step is written. Arguments: kubeconfig, registry, release, step. */
import { parseDigest } from '../../src/lib/digest.ts';
import { release } from '../../src/records/release.ts';
import { getRecord } from '../../src/store/records.ts';
import { clusterStore, deployTo } from './cluster-site.ts';
import { killedAfter } from './killed-after.ts';

const [KUBECONFIG = '', registry = '', digest = '', step = ''] = process.argv.slice(2);
const store = clusterStore({ registry });
const found = await getRecord(store, release, parseDigest(digest, 'release'));
const env = { KUBECONFIG, PATH: process.env.PATH ?? '' };
await deployTo({ env }, store, found, { ledger: (ledger) => killedAfter(ledger, step) });
