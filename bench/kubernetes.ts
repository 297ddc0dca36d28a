import { type Cluster, startCluster } from '../__tests__/support/cluster.ts';
import { putModel } from '../__tests__/support/cluster-models.ts';
import { clusterStore, deployTo } from '../__tests__/support/cluster-site.ts';
import { recordingLog } from '../__tests__/support/log.ts';
import { editionOf } from '../src/deploy/kubernetes/edition.ts';
import { readManifests } from '../src/deploy/kubernetes/manifests.ts';
import { ClusterSite } from '../src/deploy/kubernetes/site.ts';
import type { Stored } from '../src/records/kind.ts';
import type { ReleaseConfig } from '../src/records/release.ts';
import type { Store } from '../src/store/store.ts';
import { type Figure, median, seconds } from './figure.ts';

const ROUNDS = 5;
const { signal } = new AbortController();

/**
 * What a roll-out by us takes over one by kubectl of the same objects on a real cluster, and how many requests a whole deploy
 * sends. Ours checks all objects first, takes the lock, watches, switches, proves and removes what served before.
 */
export async function kubernetes({ isShort }: { isShort: boolean }): Promise<Figure[]> {
  // A cluster, and two roll-outs a round.
  if (isShort) return [];
  const cluster = await startCluster();
  try {
    const store = clusterStore(cluster);
    // The node has the images by then.
    await byUs(cluster, store, await release(cluster, store, 'warm', 0));
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let round = 1; round <= ROUNDS; round++) {
      const made = await release(cluster, store, 'ours', round);
      ours.push(await seconds(() => byUs(cluster, store, made)));
      const other = await release(cluster, store, 'theirs', round);
      theirs.push(await byKubectl(cluster, store, other));
    }
    const last = await release(cluster, store, 'ours', 0);
    const { calls } = await deployTo(cluster, store, last);
    return [
      {
        name: 'kubernetes: roll-out',
        measured: median(ours) / median(theirs),
        limit: 1.1,
        unit: '×',
        how: `lock, check, roll-out, switch, proof and removal, over kubectl apply and rollout status of the same objects (${median(theirs).toFixed(1)} s); real cluster, medians of ${ROUNDS}`,
      },
      {
        name: 'kubernetes: requests to the API server',
        measured: calls,
        limit: 80,
        unit: 'requests',
        how: 'a whole deploy that takes the place of another release',
      },
    ];
  } finally {
    await cluster.close();
  }
}

function release(
  cluster: Cluster,
  store: Store,
  environment: string,
  round: number,
): Promise<Stored<ReleaseConfig>> {
  return putModel(cluster, store, { environment, settings: { ROUND: String(round) } });
}

async function byUs({ env }: Cluster, store: Store, made: Stored<ReleaseConfig>): Promise<void> {
  const variables = { ...process.env, ...env };
  const site = await ClusterSite.of(made.config, {
    store,
    env: variables,
    log: recordingLog(),
    who: 'bench',
  });
  try {
    await site.open();
    const hold = await site.ledger.lock(signal);
    const target = await site.target(made, {}, hold);
    await target.serving();
    await target.start(signal);
    await target.switch();
    await target.identify(made.digest);
    await target.commit();
    await hold.release();
  } finally {
    await site.close();
  }
}

/** Seconds that kubectl takes; what served before is removed by it, too, but not in that time. */
async function byKubectl(cluster: Cluster, store: Store, { digest }: Stored<ReleaseConfig>): Promise<number> {
  const { own, services } = await readManifests({ store }, editionOf(digest));
  const deployment = own.find(({ kind }) => kind === 'Deployment')?.metadata.name ?? '';
  const taken = await seconds(async () => {
    await cluster.apply(...own, ...services);
    await cluster.kubectl('rollout', 'status', `deployment/${deployment}`);
  });
  await cluster.kubectl('delete', 'deployment', deployment, '--wait=false');
  return taken;
}
