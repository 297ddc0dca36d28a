/** The pods of a release that is asked alone, of which one may go meanwhile. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { askPods } from '../../../src/deploy/kubernetes/asking.ts';
import type { Manifests } from '../../../src/deploy/kubernetes/manifests.ts';
import { podsOf } from '../../../src/deploy/kubernetes/pods.ts';
import type { Ask } from '../../../src/deploy/target.ts';
import { aDeployment, aService, FakeCluster } from '../../support/fake-cluster.ts';

const PODS = '/api/v1/namespaces/ns/pods';

let cluster: FakeCluster;
let manifests: Manifests;
beforeEach(async () => {
  cluster = await FakeCluster.start();
  manifests = await cluster.manifests(await cluster.release([aDeployment(), aService('toy')]));
});
afterEach(() => cluster.close());

/** A pod whose server answers with its name. */
function answering(name: string): void {
  cluster.pod(name, manifests);
  cluster.server.put(`${PODS}/${name}:80/proxy/who`, { metadata: { name } });
}

function goes(name: string, status?: object): void {
  cluster.server.remove(`${PODS}/${name}:80/proxy/who`);
  if (status === undefined) cluster.server.remove(`${PODS}/${name}`);
  else cluster.pod(name, manifests, status);
}

/** @param again what is done when pods are waited for */
async function asking(again = (): void => {}): Promise<Ask> {
  const pods = () => podsOf(cluster.place, manifests);
  return askPods(cluster.place, manifests, await pods(), async () => {
    again();
    return pods();
  });
}

async function who(ask: Ask): Promise<string> {
  const { body } = await ask({ path: '/who', timeoutSeconds: 5 });
  return JSON.parse(body).metadata.name;
}

test('A pod that goes while its release is asked is no failure: another one is asked', async () => {
  answering('one');
  answering('two');
  const ask = await asking();
  expect([await who(ask), await who(ask)]).toEqual(['one', 'two']);
  goes('one');
  expect([await who(ask), await who(ask)]).toEqual(['two', 'two']);
});

test('So is one in the place of the only one that was evicted', async () => {
  answering('one');
  const ask = await asking(() => answering('next'));
  goes('one', { phase: 'Failed', reason: 'Evicted' });
  expect(await who(ask)).toBe('next');
});

test('A pod that is there and can’t be asked is a failure', async () => {
  answering('one');
  answering('two');
  const ask = await asking();
  goes('one', { phase: 'Running' });
  await expect(who(ask)).rejects.toThrow(/^pod one: GET .*: NotFound$/);
  expect(await who(ask)).toBe('two');
});
