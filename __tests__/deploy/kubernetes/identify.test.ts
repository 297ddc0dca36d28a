import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readFront, switchFront } from '../../../src/deploy/kubernetes/front.ts';
import { identify } from '../../../src/deploy/kubernetes/identify.ts';
import type { Manifests } from '../../../src/deploy/kubernetes/manifests.ts';
import { aDeployment, aService, FakeCluster } from '../../support/fake-cluster.ts';

let cluster: FakeCluster;
let manifests: Manifests;
beforeEach(async () => {
  cluster = await FakeCluster.start();
  manifests = await cluster.manifests(await cluster.release([aDeployment(), aService('toy')]));
  await switchFront(cluster.place, manifests, { token: 1, before: undefined });
  cluster.pod('one', manifests);
  cluster.leads('toy', ['one']);
});
afterEach(() => cluster.close());

const proved = async () => identify(cluster.place, manifests, await readFront(cluster.place, 1), 0.5);

test('A Service that leads to the ready pods of a release is proved', async () => {
  expect(await proved()).toMatch(/^[0-9a-f]{12}, 1 of 1 pods$/);
  cluster.leads('toy', ['one', 'other']);
  await expect(proved()).rejects.toThrow(/it leads to one, other; the release has one, ready: one/);
});

test('A pod that was evicted, and one that is not ready yet, take nothing from a release that serves', async () => {
  cluster.pod('evicted', manifests, { phase: 'Failed', reason: 'Evicted' });
  cluster.pod('pending', manifests, { phase: 'Pending' });
  const loading = { name: 'server', ready: false, restartCount: 0, state: { running: {} } };
  cluster.pod('loading', manifests, { phase: 'Running', containerStatuses: [loading] });
  expect(await proved()).toMatch(/ 1 of 3 pods$/);
});

test('A pod whose server has ended is waited for, and refused when it does not come back', async () => {
  const ended = { name: 'server', ready: false, restartCount: 2, state: { waiting: {} } };
  cluster.pod('crashing', manifests, { phase: 'Running', containerStatuses: [ended] });
  await expect(proved()).rejects.toThrow(/ready: one, ended: crashing$/);
});

test('Without any pod that is ready nothing is proved', async () => {
  cluster.pod('one', manifests, { phase: 'Running' });
  cluster.leads('toy', []);
  await expect(proved()).rejects.toThrow(/it leads to none; the release has one, ready: none/);
});
