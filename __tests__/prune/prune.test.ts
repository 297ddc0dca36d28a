import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { type Pruned, prune } from '../../src/prune/prune.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { whatServes } from '../../src/store/live.ts';
import { verify } from '../../src/verify/verify.ts';
import { recordingLog } from '../support/log.ts';
import { dayMs, deployOn, type Model, nameOn, putModel, putReleaseOf, TODAY } from '../support/yard.ts';

const DAY = 24 * 3600;

let root: string;
let store: LayoutStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trainyard-prune-'));
  store = new LayoutStore(join(root, 'yard'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

interface Usual {
  readonly keepLast?: number;
  readonly days?: number;
  readonly dryRun?: boolean;
}

/** Prunes on the last day of the history. */
function pruneStore({ keepLast = 2, days = 30, dryRun = false }: Usual = {}): Promise<Pruned> {
  return prune(store, { keepLast, keepLiveWithin: days * DAY, dryRun }, dayMs(TODAY));
}

const reasonsFor = ({ stays }: Pruned, digest: Digest): string | undefined =>
  stays.find(({ item }) => item.digest === digest)?.reason;

async function brokenLinks(): Promise<string[]> {
  const request = { of: undefined, repair: false, store, log: recordingLog() };
  const { verdicts } = await verify({ ...request, signal: new AbortController().signal });
  return verdicts.flatMap(({ problems }) => problems);
}

/** A model for each of some days, each from a trainer of its own, released for staging and deployed on that day. */
async function stagingHistory(days: readonly number[]): Promise<{ models: Model[]; releases: Digest[] }> {
  const models: Model[] = [];
  const releases: Digest[] = [];
  for (const day of days) {
    const model = await putModel(store, `model ${day}`, day, { trainer: `${day}` });
    const release = await putReleaseOf(store, model.package, 'staging');
    await deployOn(store, day, release, { before: releases.at(-1) ?? null });
    models.push(model);
    releases.push(release);
  }
  await nameOn(store, 190);
  return { models, releases };
}

describe('a history of twenty deployments with roll-backs', () => {
  /** Days on which a model went to staging; some of them went to production later, and were rolled back. */
  const DAYS = [1, 10, 20, 30, 40, 50, 60, 70, 80, 90];
  let models: Model[];
  let staging: Digest[];
  const production = new Map<number, Digest>();

  let base = '';
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), 'trainyard-prune-'));
    store = new LayoutStore(base);
    ({ models, releases: staging } = await stagingHistory(DAYS));
    let before: Digest | null = null;
    const promote = async (day: number, at: number, outcome: 'live' | 'rolled-back' = 'live') => {
      const release = await putReleaseOf(store, models[at]?.package ?? 'sha256:', 'production');
      production.set(at, release);
      const reason = outcome === 'live' ? null : 'a wrong answer';
      await deployOn(store, day, release, { before, outcome, reason });
      if (outcome === 'live') before = release;
    };
    await promote(15, 1);
    await promote(25, 2);
    await promote(26, 1); // Rolled back by hand.
    await promote(45, 4);
    await promote(65, 6, 'rolled-back');
    await promote(66, 6);
    await promote(67, 4); // Rolled back by hand.
    await promote(185, 7);
    await promote(186, 8, 'rolled-back');
    await promote(187, 5);
    await nameOn(store, 190);
  }, 60_000);
  beforeEach(async () => {
    const folder = join(root, 'yard');
    await cp(base, folder, { recursive: true, preserveTimestamps: true });
    store = new LayoutStore(folder);
  });
  afterAll(() => rm(base, { recursive: true, force: true }));

  const at = (list: readonly Digest[] | ReadonlyMap<number, Digest>, i: number): Digest => {
    const found = Array.isArray(list) ? list[i] : new Map(list.entries()).get(i);
    if (found === undefined) throw new Error(`there is no ${i}`);
    return found;
  };

  test('keeps what is live, what was within the time, and the last of each kind', async () => {
    const pruned = await pruneStore({ keepLast: 2 });
    expect(reasonsFor(pruned, at(production, 5))).toBe('is live as toy in production');
    expect(reasonsFor(pruned, at(staging, 9))).toBe('is live as toy in staging');
    expect(reasonsFor(pruned, at(production, 7))).toBe('is what previous goes back to for toy in production');
    expect(reasonsFor(pruned, at(production, 4))).toMatch(/^was live as toy in production until \d{4}-/);
    expect(reasonsFor(pruned, at(staging, 8))).toBe('is what previous goes back to for toy in staging');
    // Refused, and one of the last two.
    expect(reasonsFor(pruned, at(production, 8))).toMatch(
      /^(is one of the last 2: release of toy for production|deployment \w{12} stands on it)$/,
    );
    const gone = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => at(staging, i));
    for (const digest of [...gone, ...[1, 2, 6].map((i) => at(production, i))])
      expect(reasonsFor(pruned, digest)).toBeUndefined();
    const runs = pruned.stays.filter(({ item }) => item.kind === 'run').map(({ item }) => item.digest);
    expect(new Set(runs)).toEqual(new Set([4, 5, 7, 8, 9].map((i) => models[i]?.run)));
  });

  test('leaves a store of which everything is whole, and of which the same is told', async () => {
    const before = await whatServes(store);
    const pruned = await pruneStore();
    expect(await brokenLinks()).toEqual([]);
    expect(await whatServes(store)).toEqual(before);
    expect(new Set((await store.names('')).values())).toEqual(
      new Set(pruned.stays.map(({ item }) => item.digest)),
    );
    expect(pruned.freed).toBe(pruned.bytes);
    for (const { item } of pruned.goes)
      for (const { digest } of item.blobs.slice(0, 1)) expect(await store.has(digest)).toBe(false);
    const again = await pruneStore();
    expect([again.goes, again.freed]).toEqual([[], 0]);
  });

  test('a kept Run keeps the name by which it is used again; one that goes loses it', async () => {
    const names = new Set((await store.names('training-')).values());
    expect(names).toEqual(new Set(models.map(({ run }) => run)));
    await pruneStore();
    expect(new Set((await store.names('training-')).values())).toEqual(
      new Set([4, 5, 7, 8, 9].map((i) => models[i]?.run)),
    );
  });

  test('nothing but what is live, and what previous goes back to, when nothing else is asked for', async () => {
    const pruned = await pruneStore({ keepLast: 0, days: 1 });
    const releases = pruned.stays
      .filter(({ item }) => item.kind === 'release')
      .map(({ item }) => item.digest);
    expect(new Set(releases)).toEqual(
      new Set([at(production, 5), at(production, 7), at(staging, 8), at(staging, 9)]),
    );
    expect(await brokenLinks()).toEqual([]);
  });

  test('a dry run removes nothing, and says what would go', async () => {
    const before = await store.names('');
    const dry = await pruneStore({ dryRun: true });
    expect(dry.freed).toBeUndefined();
    expect(await store.names('')).toEqual(before);
    const real = await pruneStore();
    expect(real.goes).toEqual(dry.goes);
    expect(real.bytes).toBe(dry.bytes);
  });

  test('enough of each kind keeps everything', async () => {
    expect((await pruneStore({ keepLast: 100 })).goes).toEqual([]);
  });
});

describe('what serves is never lost', () => {
  test('when it was last deployed long ago, and much was refused since', async () => {
    const { releases, models } = await stagingHistory([1, 2]);
    const [, live] = releases;
    if (live === undefined) throw new Error('there are two');
    for (const day of [100, 110, 120, 130]) {
      const model = await putModel(store, `bad ${day}`, day, { trainer: `${day}` });
      const bad = await putReleaseOf(store, model.package, 'staging');
      await deployOn(store, day, bad, { outcome: 'refused', before: live, reason: 'not ready' });
    }
    await nameOn(store, 190);
    const pruned = await pruneStore({ keepLast: 1 });
    expect(reasonsFor(pruned, live)).toBe('is live as toy in staging');
    expect(reasonsFor(pruned, models[1]?.run ?? live)).toMatch(/^package \w{12} stands on it$/);
    expect((await whatServes(store)).map(({ release }) => release)).toEqual([live]);
    expect(await brokenLinks()).toEqual([]);
  });

  test('when the deploy that made it live was killed, and only the next one tells of it', async () => {
    const { releases } = await stagingHistory([1, 2, 3]);
    const [killed, , last] = releases;
    if (killed === undefined || last === undefined) throw new Error('there are three');
    await deployOn(store, 150, last, { outcome: 'refused', before: killed, reason: 'not ready' });
    await nameOn(store, 190);
    expect(reasonsFor(await pruneStore({ keepLast: 0 }), killed)).toBe('is live as toy in staging');
  });

  test('when nothing serves any more, what was live last stays', async () => {
    const { releases } = await stagingHistory([1, 2]);
    const [first, last] = releases;
    if (first === undefined || last === undefined) throw new Error('there are two');
    await deployOn(store, 50, first, { outcome: 'restore-failed', before: last, reason: 'both died' });
    await nameOn(store, 190);
    const pruned = await pruneStore({ keepLast: 0 });
    expect(reasonsFor(pruned, last)).toBe('was live last as toy in staging');
    expect(await whatServes(store)).toEqual([]);
  });
});

test('projects and environments are counted each for itself', async () => {
  for (const project of ['one', 'two'])
    for (const day of [1, 2, 3]) {
      const choices = { project, trainer: `${project} ${day}`, server: `${project} ${day}` };
      const model = await putModel(store, `${project} ${day}`, day, choices);
      for (const environment of ['staging', 'production']) {
        const release = await putReleaseOf(store, model.package, environment);
        await deployOn(store, day, release);
      }
    }
  await nameOn(store, 190);
  const { stays } = await pruneStore({ keepLast: 2, days: 1 });
  const counts = new Map<string, number>();
  for (const { item } of stays) counts.set(item.kind, (counts.get(item.kind) ?? 0) + 1);
  expect(Object.fromEntries(counts)).toEqual({
    ...{ program: 8, run: 4, package: 4, release: 8, deployment: 8 },
    source: 16,
  });
});
