import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { whatServes } from '../../src/store/live.ts';
import { dayText, deployOn, putModel, putReleaseOf } from '../support/yard.ts';

const [OLD, NEW] = ['http://127.0.0.1:8080', 'http://127.0.0.1:9090'];

let place: string;
let store: LayoutStore;
let release: (environment: string, version: number) => Promise<Digest>;
beforeEach(async () => {
  place = await mkdtemp(join(tmpdir(), 'trainyard-'));
  store = new LayoutStore(join(place, 'yard'));
  const model = await putModel(store, 'good', 1);
  release = (environment, version) => putReleaseOf(store, model.package, environment, { version });
});
afterEach(() => rm(place, { recursive: true, force: true }));

test('what serves does so where it went live, wherever another one was tried', async () => {
  const [one, two] = [await release('staging', 1), await release('staging', 2)];
  await deployOn(store, 2, one, { endpoint: OLD });
  await deployOn(store, 3, two, { endpoint: NEW, outcome: 'refused', before: one, reason: 'x' });
  const other = await release('production', 1);
  await deployOn(store, 4, other, { endpoint: NEW });
  const staging = { name: 'toy', environment: 'staging' };
  const found = { ...staging, release: one, endpoint: OLD, since: dayText(3) };
  expect(await whatServes(store, staging)).toEqual([found]);
  const all = await whatServes(store);
  expect(all).toHaveLength(2);
  expect(all).toEqual(expect.arrayContaining([found, expect.objectContaining({ release: other })]));
  await deployOn(store, 5, two, { endpoint: NEW, before: one });
  expect(await whatServes(store, staging)).toMatchObject([{ release: two, endpoint: NEW }]);
});

test('what serves without a Deployment of its own does so where the newest one says', async () => {
  const [one, two] = [await release('staging', 1), await release('staging', 2)];
  await deployOn(store, 3, two, { endpoint: NEW, outcome: 'interrupted', before: one, reason: 'x' });
  expect(await whatServes(store)).toMatchObject([{ release: one, endpoint: NEW }]);
});
