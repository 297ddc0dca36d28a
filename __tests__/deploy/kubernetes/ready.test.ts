/** What a Deployment says of pods that can't be made: it may pass. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Manifests } from '../../../src/deploy/kubernetes/manifests.ts';
import { whenReady } from '../../../src/deploy/kubernetes/ready.ts';
import type { Pod } from '../../../src/deploy/kubernetes/types/pod.ts';
import { aDeployment, aService, FakeCluster } from '../../support/fake-cluster.ts';

const QUOTA = 'pods "toy-x" is forbidden: exceeded quota';
const WORDS = /^no pod of toy-[0-9a-f]{12} can be made: pods "toy-x" is forbidden: exceeded quota$/;

let cluster: FakeCluster;
let manifests: Manifests;
beforeEach(async () => {
  cluster = await FakeCluster.start();
  manifests = await cluster.manifests(await cluster.release([aDeployment(), aService('toy')]));
});
afterEach(() => cluster.close());

/** The Deployment of the release has these conditions. */
const says = (conditions: readonly object[], done = 0): void => cluster.says(manifests, done, conditions);

const failing = (seconds: number) => ({
  type: 'ReplicaFailure',
  status: 'True',
  message: QUOTA,
  lastTransitionTime: new Date(Date.now() - seconds * 1000).toISOString(),
});
const ready = (): Promise<readonly Pod[]> => whenReady(cluster.place, manifests, AbortSignal.timeout(10_000));

test('A pod that can’t be made is told once and waited for', async () => {
  says([failing(5)]);
  const waiting = ready();
  await sleep(500);
  says([failing(5)]);
  await sleep(500);
  cluster.pod('one', manifests);
  says([], 1);
  expect((await waiting).map(({ metadata }) => metadata.name)).toEqual(['one']);
  expect(cluster.server.log.lines).toEqual([expect.stringMatching(WORDS)]);
});

test('Who may not watch events goes without what they say', async () => {
  cluster.server.forbidden = /^WATCH .*events/;
  const waiting = ready();
  await sleep(500);
  cluster.pod('one', manifests);
  says([], 1);
  expect(await waiting).toHaveLength(1);
  expect(cluster.server.log.warnings).toEqual([]);
});

test('It is the reason of the refusal when none can be made for a minute', async () => {
  says([failing(58)]);
  const begin = performance.now();
  await expect(ready()).rejects.toThrow(WORDS);
  expect(performance.now() - begin).toBeGreaterThan(500);
});

test('It is so, too, when the Deployment’s own time for it is over', async () => {
  says([failing(5), { type: 'Progressing', status: 'False', message: 'timed out' }]);
  await expect(ready()).rejects.toThrow(WORDS);
});
