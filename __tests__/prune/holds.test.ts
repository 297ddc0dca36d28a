/** A roll-back that holds a release away: its Deployment is the only thing that says so. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Digest, hexOf } from '../../src/lib/digest.ts';
import { prune } from '../../src/prune/prune.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { dayMs, deployOn, nameOn, putModel, putReleaseOf, TODAY } from '../support/yard.ts';

let store: LayoutStore;
beforeEach(async () => {
  store = new LayoutStore(await mkdtemp(join(tmpdir(), 'trainyard-prune-')));
});
afterEach(() => rm(store.location, { recursive: true, force: true }));

/** Prunes all that may go; gives why each Deployment stays, and what went. */
async function pruned(): Promise<{ why(digest: Digest): string | undefined; gone: Set<Digest> }> {
  const choices = { keepLast: 0, keepLiveWithin: 30 * 24 * 3600, dryRun: false };
  const { stays, goes } = await prune(store, choices, dayMs(TODAY));
  return {
    why: (digest) => stays.find(({ item }) => item.digest === digest)?.reason,
    gone: new Set(goes.map(({ item }) => item.digest)),
  };
}

/** The roll-back of day 3 leaves `held`, day 4 may lift that, and later days bring other releases. */
async function rolledBack(isLifted: boolean): Promise<{ held: Digest; hold: Digest; lift: Digest }> {
  const made = async (model: string): Promise<Digest> =>
    putReleaseOf(store, (await putModel(store, model, 1, { trainer: model })).package, 'staging');
  const [first, held] = [await made('first'), await made('held')];
  await deployOn(store, 1, first);
  await deployOn(store, 2, held, { before: first });
  const hold = await deployOn(store, 3, first, { before: held, holds: held });
  const lifting = { before: first, lifts: true, outcome: 'refused', reason: 'it was not ready' } as const;
  const lift = isLifted ? await deployOn(store, 4, held, lifting) : hold;
  let before = first;
  for (const day of [5, 6, 7]) {
    const next = await made(`day ${day}`);
    await deployOn(store, day, next, { before });
    before = next;
  }
  await nameOn(store, 100);
  return { held, hold, lift };
}

test('stays for good, however long ago it was', async () => {
  const { held, hold } = await rolledBack(false);
  const { why, gone } = await pruned();
  expect(why(hold)).toBe(`holds ${hexOf(held, 12)} away from toy in staging`);
  expect(gone.has(held)).toBe(true);
  expect((await pruned()).gone).toEqual(new Set());
});

test('goes once a person lifted that, with the Deployment that lifted it', async () => {
  const { held, hold, lift } = await rolledBack(true);
  const { gone } = await pruned();
  expect([held, hold, lift].map((digest) => gone.has(digest))).toEqual([true, true, true]);
});

test('that stays for another reason keeps the one that lifted it: the hold would be back', async () => {
  const { held, hold, lift } = await rolledBack(true);
  await store.put((await store.get(hold)) ?? Buffer.of(), ['the-day-of-the-outage']);
  await nameOn(store, 100);
  const { why } = await pruned();
  expect(why(hold)).toBe('is named the-day-of-the-outage');
  expect(why(lift)).toBe(`lifts the hold that keeps ${hexOf(held, 12)} away from toy in staging`);
});
