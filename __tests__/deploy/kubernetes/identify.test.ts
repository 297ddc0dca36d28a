import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { readFront, switchFront } from '../../../src/deploy/kubernetes/front.ts';
import { identify } from '../../../src/deploy/kubernetes/identify.ts';
import type { Manifests } from '../../../src/deploy/kubernetes/manifests.ts';
import { type ClusterObject, RELEASE_SHORT } from '../../../src/records/cluster.ts';
import { aDeployment, aService, FakeCluster } from '../../support/fake-cluster.ts';

let cluster: FakeCluster;
let manifests: Manifests;
beforeEach(async () => {
  cluster = await FakeCluster.start();
  await serve(aDeployment());
});
afterEach(() => cluster.close());

/** A release of these objects serves by one pod. */
async function serve(...objects: ClusterObject[]): Promise<void> {
  manifests = await cluster.manifests(await cluster.release([...objects, aService('toy')]));
  await switchFront(cluster.place, manifests, { token: 1, before: undefined });
  cluster.pod('one', manifests);
  cluster.leads('toy', ['one']);
}

const proved = async () =>
  identify(cluster.place, manifests, await readFront(cluster.place, 1), { patienceSeconds: 0.5 });

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

test('A cancel is heard while a Service is waited for', async () => {
  cluster.leads('toy', []);
  const front = await readFront(cluster.place, 1);
  const control = new AbortController();
  const proving = identify(cluster.place, manifests, front, control);
  setTimeout(() => control.abort(new Error('cancelled')), 200);
  await expect(proving).rejects.toThrow('cancelled');
});

test('Without any pod that is ready nothing is proved', async () => {
  cluster.pod('one', manifests, { phase: 'Running' });
  cluster.leads('toy', []);
  await expect(proved()).rejects.toThrow(/it leads to none; the release has one, ready: none/);
});

describe('The path of a readiness probe', () => {
  const READY = '/api/v1/namespaces/ns/services/toy:80/proxy/ready';
  const probe = (fields: object) => ({ readinessProbe: { httpGet: { path: '/ready', ...fields } } });
  const ports = [{ name: 'http', containerPort: 80 }, { containerPort: 9000 }];

  test('is asked in public, where the probe is at the port of the Service, and may lead elsewhere', async () => {
    for (const port of [80, 'http']) {
      await serve(aDeployment({ ports, ...probe({ port }) }));
      await expect(proved()).rejects.toThrow(/Service toy: GET .*\/ready: NotFound/);
    }
    cluster.server.put(READY, { metadata: { name: 'answer' } });
    for (const [status, isReady] of [
      [200, true],
      [302, true],
      [404, false],
    ] as const) {
      cluster.server.statuses.set(READY, status);
      const found = await proved().catch((error: Error) => error.message);
      expect(found).toMatch(isReady ? / 1 of 1 pods$/ : /answers \/ready with status 404$/);
    }
  });

  test.each([
    ['at a port of its own', aDeployment({ ports, ...probe({ port: 9000 }) })],
    ['at a port of another name', aDeployment({ ports, ...probe({ port: 'management' }) })],
    ['by HTTPS', aDeployment(probe({ port: 80, scheme: 'HTTPS' }))],
  ])('is not, for one %s', async (_, deployment) => {
    await serve(deployment);
    expect(await proved()).toMatch(/ 1 of 1 pods$/);
  });

  test('is not, for one of a Deployment that does not serve', async () => {
    const { metadata, ...worker } = aDeployment();
    const spec = { containers: [{ name: 'worker', ...probe({ port: 80 }) }] };
    const template = { metadata: { labels: { app: 'worker' } }, spec };
    const name = `worker-${RELEASE_SHORT}`;
    await serve({ ...worker, metadata: { ...metadata, name }, spec: { template } }, aDeployment());
    expect(await proved()).toMatch(/ 1 of 1 pods$/);
  });
});
