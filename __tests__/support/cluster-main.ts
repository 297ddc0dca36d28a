/** Starts a cluster, says where, and is killed by the test that has started it. */
import { startCluster } from './cluster.ts';

const { folder } = await startCluster();
console.log(folder);
setInterval(() => undefined, 60_000);
