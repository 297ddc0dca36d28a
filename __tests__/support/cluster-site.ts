/** Deploys to a cluster, as other machines would do them. */
import { tmpdir } from 'node:os';
import { deploy } from '../../src/deploy/deploy.ts';
import { ClusterSite } from '../../src/deploy/kubernetes/site.ts';
import type { KubernetesTarget } from '../../src/deploy/kubernetes/target.ts';
import type { Ledger } from '../../src/deploy/ledger.ts';
import type { DeployDeps, Deployed } from '../../src/deploy/request.ts';
import type { Stored } from '../../src/records/kind.ts';
import type { ReleaseConfig } from '../../src/records/release.ts';
import { openRegistry } from '../../src/store/registry/open.ts';
import type { Store } from '../../src/store/store.ts';
import type { Cluster } from './cluster.ts';
import { type RecordingLog, recordingLog } from './log.ts';
import { registryPlace } from './registries.ts';

const { signal } = new AbortController();

/** A repository of the cluster's registry as the store. */
export function clusterStore({ registry }: Pick<Cluster, 'registry'>, repository = 'toy'): Store {
  const place = registryPlace(tmpdir(), { plainHttp: [registry] });
  return openRegistry(`oci://${registry}/${repository}`, 'store', place);
}

export interface Tried extends Deployed {
  readonly log: RecordingLog;
  /** How many requests the API server was sent. */
  readonly calls: number;
}

export interface DeployChanges extends Partial<DeployDeps> {
  readonly env?: Readonly<Record<string, string>>;
  readonly who?: string;
  /** Puts something between a deploy and its ledger. */
  readonly ledger?: (ledger: Ledger) => Ledger;
}

/** Deploys a release by its site. */
export async function deployTo(
  { env }: Pick<Cluster, 'env'>,
  store: Store,
  release: Stored<ReleaseConfig>,
  changes: DeployChanges = {},
): Promise<Tried> {
  const log = recordingLog();
  const variables = { ...process.env, ...env, ...changes.env };
  const deps: DeployDeps = {
    store,
    log,
    signal,
    cause: { actor: 'alice', event: 'terminal' },
    isAncestor: async () => undefined,
    approve: async ([first = '']) => first,
    mask: () => {},
    ...changes,
    env: variables,
  };
  const site = await ClusterSite.of(release.config, {
    store,
    env: variables,
    log: deps.log,
    who: changes.who ?? 'alice',
  });
  const request = {
    release: release.digest,
    name: undefined,
    environment: undefined,
    byHand: true,
    lift: false,
  };
  const { ledger } = changes;
  if (ledger !== undefined) Object.assign(site, { ledger: ledger(site.ledger) });
  return { ...(await deploy(site, request, deps)), log, calls: site.calls };
}

/** Does something with a release's target, under the lock. */
export async function onTarget<T>(
  { env }: Pick<Cluster, 'env'>,
  store: Store,
  release: Stored<ReleaseConfig>,
  work: (target: KubernetesTarget, site: ClusterSite) => Promise<T>,
  secrets: Readonly<Record<string, string>> = {},
): Promise<T> {
  const variables = { ...process.env, ...env };
  const site = await ClusterSite.of(release.config, {
    store,
    env: variables,
    log: recordingLog(),
    who: 'bob',
  });
  await site.open();
  try {
    const hold = await site.ledger.lock(signal);
    try {
      return await work(await site.target(release, secrets, hold), site);
    } finally {
      await hold.release();
    }
  } finally {
    await site.close();
  }
}

/** `KIND/NAME` of all that an environment has in the cluster, its pods that are not leaving among them. */
export async function objectsOf(
  { kubectl }: Pick<Cluster, 'kubectl'>,
  environment: string,
): Promise<string[]> {
  const kinds = 'deployments,replicasets,pods,services,configmaps,secrets,poddisruptionbudgets,leases';
  const found = await kubectl(
    'get',
    kinds,
    `--selector=trainyard.dev/environment=${environment}`,
    '--output=jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.deletionTimestamp}{"\\n"}{end}',
  );
  const lines = found.split('\n').filter((line) => /\S+ $/.test(line));
  return lines.map((line) => line.trim()).sort();
}
