/** Histories that nobody thought of: whatever was trained, released and deployed, and however it is pruned, what stays is whole. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { prune } from '../../src/prune/prune.ts';
import { deployment, outcome } from '../../src/records/deployment.ts';
import { type Event, findPrevious } from '../../src/records/history.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { type Live, whatServes } from '../../src/store/live.ts';
import { findRecord } from '../../src/store/records.ts';
import { verify } from '../../src/verify/verify.ts';
import { recordingLog } from '../support/log.ts';
import { dayMs, deployOn, type Model, nameOn, putModel, putReleaseOf, TODAY } from '../support/yard.ts';

let store: LayoutStore;
beforeEach(async () => {
  store = new LayoutStore(await mkdtemp(join(tmpdir(), 'trainyard-random-')));
});
afterEach(() => rm(store.location, { recursive: true, force: true }));

/** Numbers that are the same for the same seed (mulberry32). */
function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

/** Trains, releases, deploys and rolls back for 190 days; what is live and was before stands in each Deployment, as deploy writes it. */
async function liveThrough(random: (below: number) => number): Promise<void> {
  const models: Model[] = [];
  const releases: { readonly digest: Digest; readonly environment: string }[] = [];
  const live = new Map<string, Digest>();
  for (let day = 1; day < 190; day += 1 + random(12)) {
    if (models.length === 0 || random(3) === 0) {
      const [trainer, server] = [`${random(6)}`, `${random(3)}`];
      models.push(await putModel(store, `model ${day}`, day, { trainer, server }));
    }
    if (releases.length === 0 || random(3) > 0) {
      const environment = ['staging', 'production'][random(2)] ?? '';
      const { package: packed } = models[random(models.length)] ?? {};
      if (packed !== undefined)
        releases.push({ digest: await putReleaseOf(store, packed, environment, { DAY: day }), environment });
    }
    const chosen = releases[random(releases.length)];
    if (chosen === undefined || random(4) === 0) continue;
    const before = live.get(chosen.environment) ?? null;
    const of =
      before === chosen.digest ? 'unchanged' : (outcome.options[random(outcome.options.length)] ?? 'live');
    const isSense = of === 'live' || of === 'refused' || before !== null;
    await deployOn(store, day, chosen.digest, { before, outcome: isSense ? of : 'live' });
    if (of === 'live' || !isSense) live.set(chosen.environment, chosen.digest);
    if (of === 'restore-failed') live.delete(chosen.environment);
  }
  await nameOn(store, 150 + random(40));
}

/** What the store tells of every environment. */
async function told(): Promise<readonly (readonly [Live, Digest | undefined])[]> {
  const events: Event[] = [];
  for (const digest of new Set((await store.names('deployment-')).values())) {
    const { config, manifest } = (await findRecord(store, deployment, digest)) ?? {};
    if (config !== undefined && manifest?.subject !== undefined)
      events.push({ ...config, digest, release: manifest.subject.digest });
  }
  events.sort((a, b) => a.endedAt.localeCompare(b.endedAt));
  const live = await whatServes(store);
  return live
    .sort((a, b) => a.environment.localeCompare(b.environment))
    .map((one) => [
      one,
      findPrevious(
        events.filter(({ environment }) => environment === one.environment),
        one.release,
      ),
    ]);
}

test.each([1, 2, 3, 4])(
  'history %i',
  async (seed) => {
    const random = randomOf(seed);
    await liveThrough(random);
    const before = await told();
    const count = (await store.names('')).size;
    for (let round = 0; round < 3; round++) {
      const choices = { keepLast: random(4), keepLiveWithin: (1 + random(60)) * 24 * 3600, dryRun: false };
      const { stays, goes } = await prune(store, choices, dayMs(TODAY));
      const request = { of: undefined, repair: false, store, log: recordingLog() };
      const { verdicts } = await verify({ ...request, signal: new AbortController().signal });
      expect([round, choices, verdicts.flatMap(({ problems }) => problems)]).toEqual([round, choices, []]);
      expect(new Set(verdicts.map(({ digest }) => digest))).toEqual(
        new Set(stays.map(({ item }) => item.digest)),
      );
      expect(await told()).toEqual(before);
      for (const { item } of goes) expect(await store.has(item.digest)).toBe(false);
      expect((await prune(store, choices, dayMs(TODAY))).goes).toEqual([]);
    }
    expect((await store.names('')).size).toBeLessThan(count);
  },
  120_000,
);
