import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { OUTAGE_SECONDS } from '../../../src/deploy/kubernetes/api.ts';
import { editionOf } from '../../../src/deploy/kubernetes/edition.ts';
import { removeOthers } from '../../../src/deploy/kubernetes/remove.ts';
import { LEASE_SECONDS } from '../../../src/deploy/kubernetes/site.ts';
import { TakenOver } from '../../../src/deploy/ledger.ts';
import { digestOf } from '../../../src/lib/digest.ts';
import { FakeCluster } from '../../support/fake-cluster.ts';

const LIVE = digestOf(Buffer.from('live'));
let cluster: FakeCluster;
beforeEach(async () => {
  cluster = await FakeCluster.start();
});
afterEach(() => cluster.close());

test('What may not be removed is told, and fails no release that serves', async () => {
  const { server, place } = cluster;
  server.forbidden = /^DELETE .*secrets/;
  await removeOthers(place, [editionOf(LIVE)]);
  expect(server.requests).toContain('DELETE /apis/apps/v1/namespaces/ns/deployments');
  expect(server.log.warnings).toEqual([
    'what is no longer needed is left, to be removed by hand: the API server refused to remove /api/v1/namespaces/ns/secrets (403): DELETE /api/v1/namespaces/ns/secrets: Forbidden. See docs/kubernetes.md for the Role that a deploy needs',
  ]);
});

test('Nor does what can’t be removed now, such as by an API server that fails', async () => {
  const { server, place } = cluster;
  server.broken = { asked: /^DELETE .*secrets/, words: 'InternalError' };
  await removeOthers(place, [editionOf(LIVE)]);
  expect(server.log.warnings).toEqual([
    expect.stringMatching(/left, to be removed by hand: .* \(500\): DELETE .*\/secrets: InternalError$/),
  ]);
});

test('Who is taken over while the API server is gone removes nothing when it is back', async () => {
  const { server, place } = cluster;
  server.behaviour = 'is gone';
  const removing = removeOthers(place, [editionOf(LIVE)]);
  removing.catch(() => {});
  // All that it asks at once, however busy the machine is.
  let asked = 0;
  do {
    asked = server.requests.length;
    await sleep(200);
  } while (asked === 0 || asked < server.requests.length);
  cluster.check = async () => {
    throw new TakenOver('another deploy has come');
  };
  server.behaviour = 'answers';
  await expect(removing).rejects.toThrow(TakenOver);
  await sleep(1200);
  expect(server.requests.slice(asked)).toEqual([]);
});

test('Nobody asks for longer than a lease counts that was renewed last before the API server went', () => {
  expect(OUTAGE_SECONDS).toBeLessThan(LEASE_SECONDS - LEASE_SECONDS / 8);
});
