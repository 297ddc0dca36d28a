/** Verify and prune where records lie in a registry. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { prune } from '../../src/prune/prune.ts';
import { whatServes } from '../../src/store/live.ts';
import { getManifest } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { verify } from '../../src/verify/verify.ts';
import { recordingLog } from '../support/log.ts';
import { registryStores } from '../support/registries.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { refusalOf } from '../support/workshop.ts';
import { dayMs, deployOn, type Model, putModel, putReleaseOf, TODAY } from '../support/yard.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trainyard-registry-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Three models, each deployed to staging after the other. */
async function history(store: Store): Promise<{ models: readonly Model[]; releases: readonly Digest[] }> {
  const models: Model[] = [];
  const releases: Digest[] = [];
  for (const day of [1, 2, 3]) {
    const model = await putModel(store, `model ${day}`, day, { trainer: `${day}`, server: `${day}` });
    const release = await putReleaseOf(store, model.package, 'staging');
    await deployOn(store, day, release, { before: releases.at(-1) ?? null });
    models.push(model);
    releases.push(release);
  }
  return { models, releases };
}

async function problemsIn(store: Store, of?: Digest): Promise<string[]> {
  const request = { of, repair: false, store, log: recordingLog() };
  const { verdicts } = await verify({ ...request, signal: new AbortController().signal });
  return verdicts.flatMap(({ problems }) => problems);
}

const CHOICES = { keepLast: 1, keepLiveWithin: 30 * 24 * 3600, dryRun: false };

describe.each([true, false])('with the referrers API: %j', (referrers) => {
  let registry: Registry;
  let stores: Awaited<ReturnType<typeof registryStores>>;
  beforeEach(async () => {
    registry = await startRegistry({ referrers });
    stores = await registryStores(registry);
  });
  afterEach(() => stores.close());

  test('what is live, and what previous goes back to, stays whole; the rest is gone', async () => {
    const { models, releases } = await history(stores.open('digits'));
    const [first, second, third] = releases;
    expect(await problemsIn(stores.open('digits'))).toEqual([]);
    const { goes, freed, bytes } = await prune(stores.open('digits'), CHOICES, dayMs(TODAY));
    expect([freed, bytes > 3000]).toEqual([undefined, true]);
    const after = stores.open('digits');
    expect(await problemsIn(after)).toEqual([]);
    expect((await whatServes(after)).map(({ release }) => release)).toEqual([third]);
    expect(new Set((await after.names('release-')).values())).toEqual(new Set([second, third]));
    expect(goes).toHaveLength(9);
    for (const digest of [first, models[0]?.run, models[0]?.package, models[0]?.trainer, models[0]?.server])
      expect(digest && (await after.get(digest))).toBeUndefined();
    expect((await prune(after, CHOICES, dayMs(TODAY))).goes).toEqual([]);
  });

  test('a file that the registry lost or damaged is named', async () => {
    const { models, releases } = await history(stores.open('digits'));
    const [, , release] = releases;
    const [, , model] = models;
    if (release === undefined || model === undefined) throw new Error('there are three');
    const { manifest } = (await getManifest(stores.open('digits'), model.package)) ?? {};
    const [weights, readme] = manifest?.layers ?? [];
    if (weights === undefined || readme === undefined) throw new Error('a package has both');
    await rm(registry.blobPath(readme.digest));
    const gone = `its file README.md (${readme.digest}) is missing; run package-model again`;
    expect(await problemsIn(stores.open('digits'), release)).toEqual([gone]);
    await writeFile(registry.blobPath(weights.digest), 'another');
    const damaged = expect.stringMatching(
      /^its file model\.bin .* cannot be read: .*the bytes differ from their digest/,
    );
    expect(await problemsIn(stores.open('digits'), release)).toEqual([damaged, damaged, gone]);
  });
});

test('a registry that lets nothing be removed says so, and everything is as it was', async () => {
  const stores = await registryStores(await startRegistry({ deletes: false }));
  try {
    await history(stores.open('digits'));
    const names = await stores.open('digits').names('');
    expect(await refusalOf(prune(stores.open('digits'), CHOICES, dayMs(TODAY)))).toMatch(
      /Registries need not let their clients remove anything/,
    );
    expect(await stores.open('digits').names('')).toEqual(names);
    expect(
      (await prune(stores.open('digits'), { ...CHOICES, dryRun: true }, dayMs(TODAY))).goes,
    ).toHaveLength(9);
  } finally {
    await stores.close();
  }
});
