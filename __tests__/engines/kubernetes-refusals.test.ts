/** Releases that a real cluster does not take, or that do not serve there: why in words, and what served goes on. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ClusterSite } from '../../src/deploy/kubernetes/site.ts';
import type { Deployed } from '../../src/deploy/request.ts';
import { UserError } from '../../src/lib/errors.ts';
import type { Stored } from '../../src/records/kind.ts';
import type { ReleaseConfig } from '../../src/records/release.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import type { Store } from '../../src/store/store.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type ModelChoices, putModel } from '../support/cluster-models.ts';
import { clusterStore, deployTo, objectsOf, onTarget } from '../support/cluster-site.ts';
import { recordingLog } from '../support/log.ts';

const environment = 'test';
let cluster: Cluster;
let store: Store;
/** What serves. */
let live: Stored<ReleaseConfig>;
let before: string[];
beforeAll(async () => {
  cluster = await startCluster();
  store = clusterStore(cluster);
  live = await putModel(cluster, store, { environment });
  expect((await deployTo(cluster, store, live)).rollout.outcome).toBe('live');
  before = await objectsOf(cluster, environment);
}, 1_800_000);
afterAll(() => cluster.close(), 60_000);

/** Deploys a release that is refused while it is tried; what serves goes on, and is all that is left. */
async function refused(
  choices: ModelChoices,
  changes: Parameters<typeof deployTo>[3] = {},
): Promise<Deployed> {
  const release = await putModel(cluster, store, { environment, ...choices });
  const deployed = await deployTo(cluster, store, release, changes);
  expect(deployed.rollout).toMatchObject({ outcome: 'refused', before: live.digest });
  await goesOn();
  return deployed;
}

/** Deploys a release that is refused before anything is tried. */
async function notBegun(choices: ModelChoices): Promise<string> {
  const release = await putModel(cluster, store, { environment, ...choices });
  const failed = deployTo(cluster, store, release);
  await expect(failed).rejects.toThrow(UserError);
  await goesOn();
  expect(await objectsOf(cluster, environment)).toEqual(before);
  return failed.then(
    () => '',
    (error: Error) => error.message,
  );
}

async function goesOn(): Promise<void> {
  await onTarget(cluster, store, live, async (target) => {
    expect(await target.serving()).toEqual({ release: live.digest, asWanted: true });
    await target.identify(live.digest);
  });
}

test('an image that can’t be pulled', async () => {
  const image = `${cluster.registry}/model-server@sha256:${'f'.repeat(64)}`;
  const { rollout } = await refused({ image });
  expect(rollout.reason).toMatch(
    /^pod toy-test-\S+: container server: its image can’t be pulled: .*not found/s,
  );
}, 90_000);

test('a server that crashes, with its last words', async () => {
  const { rollout } = await refused({ settings: { MODE: 'crashes' } });
  expect(rollout.reason).toMatch(
    /^pod toy-test-\S+: container server ended with status 42 and was started again/,
  );
  expect(rollout.lines).toEqual(['model file is corrupt: magic 0xdead']);
}, 90_000);

test('a server that crashes tells nothing of a secret that the namespace keeps', async () => {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'words', namespace: 'default' },
    stringData: { last: '0xdead' },
  });
  const { rollout } = await refused({
    settings: { MODE: 'crashes' },
    secretReferences: { WORDS: { secretKeyRef: { name: 'words', key: 'last' } } },
  });
  expect(rollout.lines).toEqual(['model file is corrupt: magic ***']);
}, 90_000);

test('a server that never becomes ready', async () => {
  const { rollout } = await refused({
    settings: { MODE: 'never-ready' },
    server: { readyTimeoutSeconds: 3 },
  });
  expect(rollout.reason).toMatch(
    /container server was not ready in time: Startup probe failed: HTTP probe failed with statuscode: 503/,
  );
}, 90_000);

test('a server that is ready, but another release', async () => {
  const { rollout } = await refused({ settings: { MODE: 'other-release' } });
  expect(rollout.reason).toMatch(
    /pod toy-test-\S+ says that it is release sha256:0{64}, and should be sha256:/,
  );
}, 90_000);

test('a golden answer that is off by more than the tolerance', async () => {
  const { rollout } = await refused({ settings: { MODE: 'wrong' } });
  expect(rollout.reason).toContain('1 of 1 golden requests differ; the first is line 1');
}, 90_000);

test('a pod that no node takes is told while it is waited for, and a cancelled deploy removes it', async () => {
  const end = new AbortController();
  const log = recordingLog();
  const info = (line: string): void => {
    log.lines.push(line);
    if (line.startsWith('no node takes pod')) end.abort(new Error('cancelled'));
  };
  const on = { resources: { requests: { cpu: '1000' } } };
  const { rollout } = await refused({ on }, { signal: end.signal, log: { ...log, info } });
  expect(rollout.reason).toBe('cancelled');
  expect(log.lines.join('\n')).toMatch(
    /no node takes pod toy-test-\S+: 0\/1 nodes are available: 1 Insufficient cpu/,
  );
}, 90_000);

test('a manifest that the API server refuses, in its own words, and nothing is changed', async () => {
  const on = { resources: { requests: { memory: '2Gi' }, limits: { memory: '1Gi' } } };
  expect(await notBegun({ on })).toMatch(
    /the cluster does not take the release; nothing was changed: the API server refused to apply Deployment toy-test-\S+ \(422\): .*must be less than or equal to memory limit/,
  );
}, 60_000);

test('secrets that the namespace does not have, all of them', async () => {
  await cluster.apply({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'db', namespace: 'default' },
    stringData: { user: 'toy' },
  });
  const reference = (name: string, key: string) => ({ secretKeyRef: { name, key } });
  const message = await notBegun({
    secretReferences: { DB: reference('db', 'password'), KEY: reference('absent', 'key') },
  });
  expect(message).toContain('there is no Secret absent in namespace default; the release needs its key');
  expect(message).toContain('the Secret db in namespace default has no key password (it has user)');
}, 60_000);

test('an object of somebody else’s', async () => {
  await cluster.kubectl('create', 'service', 'clusterip', 'toy-taken', '--tcp=80:80');
  const release = await putModel(cluster, store, { environment: 'taken' });
  await expect(deployTo(cluster, store, release)).rejects.toThrow(
    'Service toy-taken is in namespace default already, and is not of toy in taken (its labels say so)',
  );
  expect(await cluster.kubectl('get', 'service', 'toy-taken', '--output=yaml')).not.toContain('trainyard');
}, 60_000);

test('a namespace that is not there', async () => {
  const release = await putModel(cluster, store, { environment, on: { namespace: 'absent' } });
  await expect(deployTo(cluster, store, release)).rejects.toThrow(/namespaces "absent" not found/);
}, 60_000);

test('a store that pods can’t pull from', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'yard-'));
  try {
    const deps = { store: new LayoutStore(folder), env: {}, log: recordingLog(), who: 'bob' };
    await expect(ClusterSite.of(live.config, deps)).rejects.toThrow(
      /give input store as oci:\/\/HOST\/REPOSITORY/,
    );
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('an image volume that the cluster drops without a word', async () => {
  const old = await startCluster({ imageVolumes: false });
  try {
    const oldStore = clusterStore(old);
    const release = await putModel(old, oldStore, { environment });
    await expect(deployTo(old, oldStore, release)).rejects.toThrow(
      /Deployment toy-test-\S+: the cluster dropped the image volume model \(\S+@sha256:\S+\), so that pods would run without the model/,
    );
    expect(await old.kubectl('get', 'deployments,services,pods', '--output=name')).toBe(
      'service/kubernetes\n',
    );
  } finally {
    await old.close();
  }
}, 120_000);
