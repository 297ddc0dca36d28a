/** Releases that go live in a real cluster, and what is left of them. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { z } from 'zod';
import { hexOf } from '../../src/lib/digest.ts';
import type { Store } from '../../src/store/store.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { golden, putModel } from '../support/cluster-models.ts';
import { clusterStore, deployTo, objectsOf, onTarget } from '../support/cluster-site.ts';

const { signal } = new AbortController();
/** What our own part of a roll-out may ask of the API server: all that is new, watched, proved, and the old removed. */
const MOST_CALLS = 80;

let cluster: Cluster;
let store: Store;
beforeAll(async () => {
  cluster = await startCluster();
  store = clusterStore(cluster);
}, 1_800_000);
afterAll(() => cluster.close(), 60_000);

const asked = async (environment: string) => {
  const { host } = await cluster.service(`toy-${environment}`);
  const { method, path, body } = golden().request;
  const headers = { connection: 'close' };
  const answer = await fetch(`http://${host}${path}`, { method, headers, body: JSON.stringify(body) });
  return { release: answer.headers.get('x-trainyard-release'), body: await answer.json() };
};

test('A release goes live by an image volume, the next one takes its place, and of the old one nothing is left', async () => {
  const environment = 'volume';
  const one = await putModel(cluster, store, { environment, on: { replicas: 2 } });
  const first = await deployTo(cluster, store, one);
  expect(first.rollout).toMatchObject({ outcome: 'live', before: null });
  expect(first.rollout.checks.map(({ name }) => name)).toEqual([
    'ready',
    'golden requests',
    'release in public',
    'golden requests in public',
  ]);
  expect(first.deployment.config).toMatchObject({
    endpoint: 'http://toy-volume.default.svc',
    token: 1,
  });
  expect(await asked(environment)).toEqual({ release: one.digest, body: golden().response.body });

  const two = await putModel(cluster, store, { environment, settings: { OFFSET: '1' } });
  const second = await deployTo(cluster, store, two);
  expect(second.rollout).toMatchObject({ outcome: 'live', before: one.digest });
  expect(await asked(environment)).toEqual({ release: two.digest, body: golden(1).response.body });
  const short = hexOf(two.digest, 12);
  const left = await objectsOf(cluster, environment);
  expect(left.filter((name) => !/^(ReplicaSet|Pod)\//.test(name))).toEqual([
    `ConfigMap/toy-volume-${short}`,
    `ConfigMap/toy-volume-${short}-source`,
    'ConfigMap/trainyard-toy-volume',
    `Deployment/toy-volume-${short}`,
    'Lease/trainyard-toy-volume',
    `PodDisruptionBudget/toy-volume-${short}`,
    'Service/toy-volume',
  ]);
  expect(left.filter((name) => name.startsWith('Pod/'))).toHaveLength(1);
  expect(second.calls).toBeLessThanOrEqual(MOST_CALLS);

  const again = await deployTo(cluster, store, two);
  expect(again.rollout).toMatchObject({ outcome: 'unchanged', before: two.digest });
  // What was live before comes back whole, its manifests from the store.
  const back = await deployTo(cluster, store, one);
  expect(back.rollout).toMatchObject({ outcome: 'live', before: two.digest });
  expect(await asked(environment)).toEqual({ release: one.digest, body: golden().response.body });
}, 120_000);

test('An init container brings the model where a cluster has no image volumes', async () => {
  const environment = 'init';
  const on = { model: { init: cluster.images.oras } };
  const release = await putModel(cluster, store, { environment, on, hasImage: false });
  expect((await deployTo(cluster, store, release)).rollout.outcome).toBe('live');
  expect(await asked(environment)).toEqual({ release: release.digest, body: golden().response.body });
}, 90_000);

test('Values of secrets reach the pods alone; another value starts the release beside itself', async () => {
  const environment = 'secrets';
  const release = await putModel(cluster, store, { environment, secrets: ['API_KEY'] });
  const deployed = await deployTo(cluster, store, release, { env: { API_KEY: 'first-value' } });
  expect(deployed.rollout.outcome).toBe('live');
  expect([...deployed.log.lines, ...deployed.log.warnings].join()).not.toContain('first-value');
  const valueInPod = async () => {
    const { host } = await cluster.service('toy-secrets');
    const answer = await fetch(`http://${host}/env`, { headers: { connection: 'close' } });
    const { env } = z.object({ env: z.array(z.string()) }).parse(await answer.json());
    return env.find((line) => line.startsWith('API_KEY='));
  };
  expect(await valueInPod()).toBe('API_KEY=first-value');
  const same = await deployTo(cluster, store, release, { env: { API_KEY: 'first-value' } });
  expect(same.rollout.outcome).toBe('unchanged');
  const other = await deployTo(cluster, store, release, { env: { API_KEY: 'second-value' } });
  expect(other.rollout).toMatchObject({ outcome: 'live', before: release.digest });
  expect(await valueInPod()).toBe('API_KEY=second-value');
  // It was started beside what served, and nothing of that is left.
  const renewed = `toy-secrets-${hexOf(release.digest, 12)}-r3`;
  const left = await objectsOf(cluster, environment);
  expect(left.filter((name) => /^(Deployment|Secret)\//.test(name))).toEqual([
    `Deployment/${renewed}`,
    `Secret/${renewed}`,
  ]);
  const yaml = await cluster.kubectl('get', 'deployments,configmaps,services,pods,leases', '--output=yaml');
  expect(yaml).not.toContain('second-value');
  expect(yaml).not.toContain(Buffer.from('second-value').toString('base64'));
}, 120_000);

test('Another value of a secret that breaks the server is refused, and what serves keeps its pods and its value', async () => {
  const environment = 'bad-secret';
  const release = await putModel(cluster, store, { environment, secrets: ['MODE'] });
  await deployTo(cluster, store, release, { env: { MODE: 'none' } });
  const before = await objectsOf(cluster, environment);
  const bad = await deployTo(cluster, store, release, { env: { MODE: 'wrong' } });
  expect(bad.rollout).toMatchObject({ outcome: 'refused', before: release.digest });
  expect(bad.rollout.checks.at(-1)).toMatchObject({ passed: true });
  expect(await whenLeft(environment, before)).toEqual(before);
  const same = await deployTo(cluster, store, release, { env: { MODE: 'none' } });
  expect(same.rollout.outcome).toBe('unchanged');
}, 120_000);

test('Every verb may be said twice, and undoing leaves what served and nothing else', async () => {
  const environment = 'verbs';
  const one = await putModel(cluster, store, { environment });
  await deployTo(cluster, store, one);
  const before = await objectsOf(cluster, environment);
  const two = await putModel(cluster, store, { environment, settings: { OFFSET: '2' } });
  await onTarget(cluster, store, two, async (target) => {
    await target.start(signal);
    await target.start(signal);
    await target.abandon();
    await target.abandon();
    expect(await target.identify(one.digest)).toContain('1 of 1 pods');
    await target.start(signal);
    await target.switch();
    await target.switch();
    expect(await target.serving()).toEqual({ release: two.digest, asWanted: false });
    expect(await target.identify(two.digest)).toContain('1 of 1 pods');
    await target.revert();
    await target.revert();
    expect(await target.serving()).toEqual({ release: one.digest, asWanted: false });
    expect(await target.identify(one.digest)).toContain('1 of 1 pods');
  });
  expect(await whenLeft(environment, before)).toEqual(before);
}, 120_000);

test('A first release that is undone leaves no Service, either', async () => {
  const environment = 'first';
  const release = await putModel(cluster, store, { environment });
  await onTarget(cluster, store, release, async (target) => {
    await target.start(signal);
    await target.switch();
    await target.revert();
    expect(await target.serving()).toBeUndefined();
  });
  const memory = ['ConfigMap/trainyard-toy-first', 'Lease/trainyard-toy-first'];
  expect(await whenLeft(environment, memory)).toEqual(memory);
}, 60_000);

test('What served comes back even when somebody has removed it meanwhile', async () => {
  const environment = 'gone';
  const one = await putModel(cluster, store, { environment });
  await deployTo(cluster, store, one);
  const two = await putModel(cluster, store, { environment, settings: { OFFSET: '3' } });
  await onTarget(cluster, store, two, async (target) => {
    await target.start(signal);
    await target.switch();
    await cluster.kubectl('delete', 'deployment', `toy-gone-${hexOf(one.digest, 12)}`, '--wait');
    await target.revert();
    expect(await target.identify(one.digest)).toContain('1 of 1 pods');
  });
}, 90_000);

/** Waits for what Kubernetes removes by itself. */
async function whenLeft(environment: string, wanted: readonly string[]): Promise<string[]> {
  for (let tries = 0; ; tries++) {
    const found = await objectsOf(cluster, environment);
    if (found.join() === wanted.join() || tries === 40) return found;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
