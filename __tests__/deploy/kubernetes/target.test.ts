/** What deploys do to the Services of a release, of which own manifests may have several, and which other releases may not have. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { applyObjects } from '../../../src/deploy/kubernetes/apply.ts';
import type { Step } from '../../../src/deploy/ledger.ts';
import { recover } from '../../../src/deploy/recover.ts';
import { Refused } from '../../../src/deploy/target.ts';
import { type Digest, hexOf } from '../../../src/lib/digest.ts';
import { MachineError } from '../../../src/lib/errors.ts';
import { RELEASE_SHORT } from '../../../src/records/cluster.ts';
import { aConfigMap, aDeployment, aService, FakeCluster } from '../../support/fake-cluster.ts';
import { recordingLog } from '../../support/log.ts';

let cluster: FakeCluster;
beforeEach(async () => {
  cluster = await FakeCluster.start();
});
afterEach(() => cluster.close());

const released = (model: string, ...services: string[]): Promise<Digest> =>
  cluster.release([aDeployment(), ...services.map((name) => aService(name))], { MODEL: model });

/** A release that serves, committed. */
async function live(release: Digest, token: number): Promise<void> {
  const target = await cluster.target(release, token);
  const manifests = await cluster.manifests(release);
  await applyObjects(cluster.place, manifests.own);
  cluster.says(manifests, 1);
  cluster.pod(`pod-${token}`, manifests);
  await target.switch();
  await target.commit();
}

const kinds = (kind: string): string[] =>
  [...cluster.server.objects.keys()].flatMap((path) => path.split(`/${kind}/`)[1] ?? []).sort();
const fails = (path: RegExp) => {
  cluster.server.forbidden = path;
};

test('Killed between two Services, the next deploy lets all of them name what served before', async () => {
  const [one, two] = [
    await released('1', 'z-public', 'a-internal'),
    await released('2', 'z-public', 'a-internal'),
  ];
  await live(one, 1);
  fails(/^APPLY .*a-internal/);
  await expect((await cluster.target(two, 2)).switch()).rejects.toThrow(/Forbidden/);
  expect([cluster.named('z-public'), cluster.named('a-internal')]).toEqual([two, one]);
  cluster.server.forbidden = undefined;

  const next = await cluster.target(two, 3);
  await next.revert();
  await next.abandon();
  expect([cluster.named('z-public'), cluster.named('a-internal')]).toEqual([one, one]);
  expect(await next.serving()).toEqual({ release: one, asWanted: false });
  expect(await (await cluster.target(one, 3)).serving()).toEqual({ release: one, asWanted: true });
});

test('Killed on the way back, too', async () => {
  const [one, two] = [
    await released('1', 'z-public', 'a-internal'),
    await released('2', 'z-public', 'a-internal'),
  ];
  await live(one, 1);
  const target = await cluster.target(two, 2);
  await target.switch();
  fails(/^APPLY .*a-internal/);
  await expect(target.revert()).rejects.toThrow(/Forbidden/);
  expect([cluster.named('z-public'), cluster.named('a-internal')]).toEqual([one, two]);
  cluster.server.forbidden = undefined;
  await (await cluster.target(two, 3)).revert();
  expect([cluster.named('z-public'), cluster.named('a-internal')]).toEqual([one, one]);
});

test('A Service that a release has no longer goes when the release stays, and comes back with a roll-back', async () => {
  const [one, two] = [await released('1', 'public', 'old'), await released('2', 'public', 'new')];
  await live(one, 1);
  const target = await cluster.target(two, 2);
  await target.switch();
  expect(kinds('services')).toEqual(['new', 'old', 'public']);
  await target.revert();
  expect([cluster.named('public'), cluster.named('old')]).toEqual([one, one]);
  expect(kinds('services')).toEqual(['old', 'public']);
  await live(two, 3);
  expect(kinds('services')).toEqual(['new', 'public']);
  expect(await (await cluster.target(two, 3)).serving()).toEqual({ release: two, asWanted: true });
  await live(one, 4);
  expect(kinds('services')).toEqual(['old', 'public']);
});

test('A Service that could not be removed makes no other release of what serves', async () => {
  const [one, two] = [await released('1', 'public', 'a-old'), await released('2', 'public')];
  await live(one, 1);
  fails(/^DELETE .*services/);
  await live(two, 2);
  expect(kinds('services')).toEqual(['a-old', 'public']);
  expect(await (await cluster.target(two, 3)).serving()).toEqual({ release: two, asWanted: true });
});

test('The first release that is undone takes its Services with it', async () => {
  const release = await released('1', 'public', 'internal');
  const target = await cluster.target(release, 1);
  await target.switch();
  await target.revert();
  expect(kinds('services')).toEqual([]);
  expect(await target.serving()).toBeUndefined();
});

test('What is needed for the way back is read before the switch', async () => {
  const [one, two] = [await released('1', 'public'), await released('2', 'public')];
  await live(one, 1);
  const target = await cluster.target(two, 2);
  await target.switch();
  await cluster.loseStore();
  await target.revert();
  expect(cluster.named('public')).toBe(one);
  cluster.leads('public', ['pod-1']);
  expect(await target.identify(one)).toContain('1 of 1 pods');
});

test.each<[Step, string, string]>([
  ['committing', 'on trial', 'interrupted'],
  ['committing', 'final', 'live'],
  ['recording', 'final', 'live'],
])('Killed while %s, %s, and it cannot be proved any more: %s', async (step, how, outcome) => {
  const [one, two] = [await released('1', 'public'), await released('2', 'public')];
  await live(one, 1);
  const target = await cluster.target(two, 2);
  await target.switch();
  if (how === 'final') await target.commit();
  else cluster.leads('public', ['pod-1']);
  const startedAt = '2026-01-01T00:00:00Z';
  const journal = { token: 2, release: two, step, before: one, startedAt, checks: [] };
  const probesOf = async (release: Digest) => {
    if (release === two) throw new MachineError('it answers nothing');
    return { golden: [], tolerance: 0, ready: '/ready' };
  };
  const hide = (text: string) => text;
  const came = await recover(journal, await cluster.target(two, 3), probesOf, { log: recordingLog(), hide });
  expect([came.outcome, cluster.named('public')]).toEqual([outcome, how === 'final' ? two : one]);
});

test('Pods that a webhook has changed are refused before they serve', async () => {
  const release = await released('1', 'public');
  const target = await cluster.target(release, 1);
  const starting = target.start(AbortSignal.timeout(10_000));
  while (kinds('deployments').length === 0) await sleep(20);
  const manifests = await cluster.manifests(release);
  cluster.pod('changed', manifests, undefined, 'mirror/server');
  cluster.says(manifests, 1);
  await expect(starting).rejects.toThrow(
    new Refused('pod changed is not as the release was rendered: it has server (mirror/server)'),
  );
});

test('What served before and can’t be removed fails no commit', async () => {
  const [one, two] = [await released('1', 'public'), await released('2', 'public')];
  await live(one, 1);
  cluster.server.broken = { asked: /^DELETE .*deployments/, words: 'InternalError' };
  await live(two, 2);
  expect(await (await cluster.target(two, 3)).serving()).toEqual({ release: two, asWanted: true });
});

describe('What served before and is half removed', () => {
  const settings = `settings-${RELEASE_SHORT}`;
  const both = async (): Promise<[Digest, Digest]> => {
    const objects = [aDeployment(), aConfigMap(settings), aService('public')];
    return [await cluster.release(objects, { MODEL: '1' }), await cluster.release(objects, { MODEL: '2' })];
  };
  const named = (kind: string, release: Digest): boolean =>
    kinds(kind).some((name) => name.endsWith(hexOf(release, 12)));

  test('is made again on the way back, and waited for, though its last pods are still ready', async () => {
    const [one, two] = await both();
    await live(one, 1);
    const target = await cluster.target(two, 2);
    await target.switch();
    cluster.server.broken = { asked: /^APPLY .*services/, words: 'InternalError' };
    await expect(target.commit()).rejects.toThrow(/InternalError/);
    expect([named('deployments', one), named('configmaps', one)]).toEqual([false, false]);
    cluster.server.broken = undefined;
    const reverting = target.revert();
    while (!(named('deployments', one) && named('configmaps', one))) await sleep(20);
    expect(cluster.named('public')).toBe(two);
    cluster.says(await cluster.manifests(one), 1);
    await reverting;
    expect(cluster.named('public')).toBe(one);
  });

  test('gets what is missing, and no Deployment that is there again, whose pods may be more by now', async () => {
    const [one, two] = await both();
    await live(one, 1);
    const target = await cluster.target(two, 2);
    await target.switch();
    const short = hexOf(one, 12);
    cluster.server.remove(`/api/v1/namespaces/ns/configmaps/settings-${short}`);
    const before = cluster.server.requests.length;
    await target.revert();
    expect(cluster.named('public')).toBe(one);
    expect(named('configmaps', one)).toBe(true);
    const asked = cluster.server.requests.slice(before).filter((request) => request.endsWith(short));
    expect(asked.filter((request) => request.startsWith('PATCH'))).toEqual([
      `PATCH /api/v1/namespaces/ns/configmaps/settings-${short}`,
    ]);
  });
});

test('Another value of a secret starts the release beside itself, and what served keeps its own until then', async () => {
  const release = await released('1', 'public');
  const plain = `toy-test-${hexOf(release, 12)}`;
  const valueIn = (name: string): unknown =>
    cluster.server.objects.get(`/api/v1/namespaces/ns/secrets/${name}`)?.data?.KEY;
  const started = async (token: number, secret: string) => {
    const target = await cluster.target(release, token, { KEY: secret });
    const end = new AbortController();
    const starting = target.start(end.signal);
    // No controller makes pods here.
    const name = `toy-${hexOf(release, 12)}${token === 1 ? '' : `-r${token}`}`;
    while (!kinds('deployments').includes(name)) await sleep(20);
    end.abort();
    await expect(starting).rejects.toThrow();
    return target;
  };
  const first = await started(1, 'one');
  cluster.pod('one', await cluster.manifests(release));
  await first.switch();
  await first.commit();
  expect(await first.serving()).toEqual({ release, asWanted: true });

  const bad = await started(2, 'two');
  expect(kinds('secrets')).toEqual([plain, `${plain}-r2`]);
  expect([valueIn(plain), valueIn(`${plain}-r2`)]).toEqual(['b25l', 'dHdv']);
  expect(kinds('deployments')).toEqual([`toy-${hexOf(release, 12)}`, `toy-${hexOf(release, 12)}-r2`]);
  await bad.switch();
  await bad.revert();
  expect(kinds('secrets')).toEqual([plain]);
  const again = await cluster.target(release, 2, { KEY: 'one' });
  expect(await again.serving()).toEqual({ release, asWanted: true });

  // Killed in the midst of it: only the Services tell.
  await (await started(3, 'three')).switch();
  const next = await cluster.target(release, 4, {});
  await next.revert();
  await next.abandon();
  expect(kinds('secrets')).toEqual([plain]);
  await started(5, 'five');
  await (await cluster.target(release, 6, {})).abandon();
  expect(kinds('secrets')).toEqual([plain]);

  const good = await started(7, 'seven');
  await good.switch();
  await good.commit();
  expect(kinds('secrets')).toEqual([`${plain}-r7`]);
  expect(kinds('deployments')).toEqual([`toy-${hexOf(release, 12)}-r7`]);
  expect(await good.serving()).toEqual({ release, asWanted: true });
  expect(await first.serving().catch((error: Error) => error.message)).toContain(
    'another deploy has switched',
  );
});
