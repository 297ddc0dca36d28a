/** What happens to deploys, not to releases: killed ones, several at once, an API server that goes, a switch that has to be undone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Ledger, Step } from '../../src/deploy/ledger.ts';
import { hexOf } from '../../src/lib/digest.ts';
import { lives } from '../../src/lib/holder.ts';
import type { Stored } from '../../src/records/kind.ts';
import type { ReleaseConfig } from '../../src/records/release.ts';
import { historyOf } from '../../src/store/history.ts';
import type { Store } from '../../src/store/store.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { golden, putModel } from '../support/cluster-models.ts';
import { clusterStore, deployTo, objectsOf } from '../support/cluster-site.ts';
import { startLoad } from '../support/new-connections.ts';
import { processesOf } from '../support/processes.ts';

let cluster: Cluster;
let store: Store;
beforeAll(async () => {
  cluster = await startCluster();
  store = clusterStore(cluster);
}, 1_800_000);
afterAll(() => cluster.close(), 60_000);

/** Does something when a step is written. */
const when =
  (step: Step, act: () => Promise<unknown>) =>
  (ledger: Ledger): Ledger => ({
    lock: async (signal) => {
      const hold = await ledger.lock(signal);
      const write: typeof hold.write = async (memory) => {
        await hold.write(memory);
        if (memory.journal?.step === step) await act();
      };
      return { ...hold, write };
    },
  });

const told = async (environment: string) =>
  (await historyOf({ records: store, name: 'toy', environment })).map(
    ({ release, outcome }) => [release, outcome] as const,
  );

async function killedAfter(step: Step | 'recorded', { digest }: Stored<ReleaseConfig>): Promise<void> {
  const main = join(import.meta.dirname, '..', 'support', 'cluster-deploy-main.ts');
  const args = [main, cluster.kubeconfig, cluster.registry, digest, step];
  const env = { ...process.env, ...cluster.env };
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'pipe'], env });
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
}

const UNDONE: readonly Step[] = ['starting', 'probing', 'switching', 'watching'];
const FINISHED = ['committing', 'recording', 'recorded'] as const;

/** A release over another one, killed after a step, and deployed once more. */
async function killedAndAgain(environment: Step | 'recorded') {
  const one = await putModel(cluster, store, { environment });
  await deployTo(cluster, store, one);
  const two = await putModel(cluster, store, { environment, settings: { OFFSET: '1' } });
  await killedAfter(environment, two);
  const { rollout } = await deployTo(cluster, store, two);
  return { one, two, rollout };
}

test.each(UNDONE)(
  'killed while %s: the next deploy undoes it, and goes all the way',
  async (step) => {
    const { one, two, rollout } = await killedAndAgain(step);
    expect(rollout).toMatchObject({ outcome: 'live', before: one.digest });
    expect(await told(step)).toEqual([
      [one.digest, 'live'],
      [two.digest, 'interrupted'],
      [two.digest, 'live'],
    ]);
  },
  120_000,
);

test.each(FINISHED)(
  'killed while %s: the next deploy finishes it',
  async (step) => {
    const { one, two, rollout } = await killedAndAgain(step);
    expect(rollout).toMatchObject({ outcome: 'unchanged', before: two.digest });
    expect(await told(step)).toEqual([
      [one.digest, 'live'],
      [two.digest, 'live'],
      [two.digest, 'unchanged'],
    ]);
    const deployments = (await objectsOf(cluster, step)).filter((name) => name.startsWith('Deployment/'));
    expect(deployments).toEqual([`Deployment/toy-${step}-${hexOf(two.digest, 12)}`]);
  },
  120_000,
);

test('killed while undoing: what served is proved', async () => {
  const environment = 'undoing';
  const one = await putModel(cluster, store, { environment });
  await deployTo(cluster, store, one);
  const bad = await putModel(cluster, store, { environment, settings: { MODE: 'wrong' } });
  await killedAfter('undoing', bad);
  expect((await deployTo(cluster, store, one)).rollout.outcome).toBe('unchanged');
  expect(await told(environment)).toEqual([
    [one.digest, 'live'],
    [bad.digest, 'interrupted'],
    [one.digest, 'unchanged'],
  ]);
}, 120_000);

test('neither a kubectl proxy nor its folder is left, be it of a deploy that was killed', async () => {
  const release = await putModel(cluster, store, { environment: 'undoing' });
  expect((await deployTo(cluster, store, release)).rollout.outcome).toBe('unchanged');
  for (const name of await readdir(tmpdir())) {
    const [, holder] = /^trainyard-k8s-(\d+-\d+)-/.exec(name) ?? [];
    // Another test may be deploying.
    if (holder === undefined || (await lives(holder))) continue;
    expect([name, await processesOf(join(tmpdir(), name))]).toEqual([]);
  }
}, 60_000);

test('an API server that is gone for 30 s in the midst of a roll-out', async () => {
  const environment = 'outage';
  const one = await putModel(cluster, store, { environment });
  await deployTo(cluster, store, one);
  const settings = { MODE: 'slow', DELAY_MS: '3000' };
  const two = await putModel(cluster, store, { environment, settings });
  let outage: Promise<void> | undefined;
  const goes = async (): Promise<void> => {
    await sleep(2000);
    await cluster.apiServer.stop();
    await sleep(30_000);
    await cluster.apiServer.start();
  };
  const ledger = when('starting', async () => {
    outage = goes();
  });
  const { rollout, log } = await deployTo(cluster, store, two, { ledger });
  await outage;
  expect(outage).toBeDefined();
  expect(rollout).toMatchObject({ outcome: 'live', before: one.digest });
  expect(log.warnings.join('\n')).toMatch(/the API server does not answer \(.*\); it is asked for 45 s/);
}, 180_000);

test('of two deploys at once, the second is told who holds the lock', async () => {
  const environment = 'twice';
  const release = await putModel(cluster, store, { environment });
  let second: Promise<unknown> | undefined;
  const ledger = when('starting', async () => {
    second = deployTo(cluster, store, release, { who: 'bob' });
    await expect(second).rejects.toThrow(
      /another deploy is under way: alice \[.*\] holds the lock default\/trainyard-toy-twice/,
    );
  });
  expect((await deployTo(cluster, store, release, { ledger })).rollout.outcome).toBe('live');
  expect(second).toBeDefined();
}, 90_000);

test('a lock that a dead holder on another machine has left', async () => {
  const environment = 'dead';
  await cluster.apply({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'trainyard-toy-dead', namespace: 'default' },
    spec: {
      holderIdentity: 'https://forge/runs/1 [0123456789ab 7-7 00000000]',
      leaseDurationSeconds: 5,
      leaseTransitions: 7,
      renewTime: new Date().toISOString().replace('Z', '000Z'),
    },
  });
  const release = await putModel(cluster, store, { environment });
  const { deployment, log } = await deployTo(cluster, store, release);
  expect(deployment.config).toMatchObject({ outcome: 'live', token: 8 });
  expect(log.warnings.join('\n')).toContain('held the lock default/trainyard-toy-dead and is gone');
}, 90_000);

test('a release that ends in public is taken back, and what served is proved', async () => {
  const environment = 'trial';
  const one = await putModel(cluster, store, { environment });
  await deployTo(cluster, store, one);
  const probing = { windowSeconds: 0, watchSeconds: 60, rate: 5, errors: 0.5 };
  const two = await putModel(cluster, store, { environment, settings: { OFFSET: '1' }, probing });
  const name = `toy-trial-${hexOf(two.digest, 12)}`;
  const ledger = when('watching', async () => {
    void sleep(3000).then(() => cluster.kubectl('scale', 'deployment', name, '--replicas=0'));
  });
  const { rollout } = await deployTo(cluster, store, two, { ledger });
  expect(rollout).toMatchObject({ outcome: 'rolled-back', before: one.digest });
  expect(rollout.checks.at(-1)).toMatchObject({ passed: true });
  expect((await deployTo(cluster, store, one)).rollout.outcome).toBe('unchanged');
}, 180_000);

test('a client that asks 200 times a second sees no failure through a deploy, a failed one and a roll-back', async () => {
  const environment = 'load';
  const one = await putModel(cluster, store, { environment, on: { replicas: 2 } });
  const two = await putModel(cluster, store, { environment, on: { replicas: 2 }, settings: { TRY: '2' } });
  const bad = await putModel(cluster, store, { environment, settings: { MODE: 'wrong' } });
  await deployTo(cluster, store, one);
  const { host } = await cluster.service('toy-load');
  const { method, path, body } = golden().request;
  const load = startLoad(host, { method, path, body: JSON.stringify(body) }, 200);
  const outcomes = [];
  // For whoever has to find out what a request met.
  const times = [Date.now()];
  for (const release of [two, bad, one]) {
    outcomes.push((await deployTo(cluster, store, release)).rollout.outcome);
    times.push(Date.now());
  }
  // Until the last pod of those that left has ended.
  await sleep(8000);
  const answers = await load.stop();
  expect(outcomes).toEqual(['live', 'refused', 'live']);
  const failed = answers.filter(({ problem }) => problem !== undefined);
  expect({ failed, times }).toEqual({ failed: [], times });
  expect(new Set(answers.map(({ release }) => release))).toEqual(new Set([one.digest, two.digest]));
  expect(answers.at(-1)?.release).toBe(one.digest);
  expect(answers.length).toBeGreaterThan(2000);
}, 180_000);
