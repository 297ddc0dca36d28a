/** What keeps a record besides the history of what was live: names, what is under way, what is not known. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Digest, hexOf } from '../../src/lib/digest.ts';
import { canonicalBytes } from '../../src/lib/json.ts';
import { type Pruned, prune } from '../../src/prune/prune.ts';
import { dataSet } from '../../src/records/data.ts';
import { EMPTY_LAYER, IMAGE_INDEX, IMAGE_MANIFEST } from '../../src/records/oci.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getManifest, putRecord } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { bareStore } from '../support/bare-store.ts';
import { putTrainer } from '../support/programs.ts';
import { putRun } from '../support/runs.ts';
import { refusalOf } from '../support/workshop.ts';
import {
  dayMs,
  dayText,
  deployOn,
  type Model,
  nameOn,
  putModel,
  putReleaseOf,
  putSource,
  TODAY,
} from '../support/yard.ts';

let store: LayoutStore;
beforeEach(async () => {
  store = new LayoutStore(await mkdtemp(join(tmpdir(), 'trainyard-prune-')));
});
afterEach(() => rm(store.location, { recursive: true, force: true }));

function pruneStore(at: Store = store, keepLast = 1): Promise<Pruned> {
  const choices = { keepLast, keepLiveWithin: 30 * 24 * 3600, dryRun: false };
  return prune(at, choices, dayMs(TODAY));
}

/** A model of long ago that nothing speaks for, because a newer one took its place. */
async function oldModel(): Promise<Model & { readonly release: Digest }> {
  const old = await putModel(store, 'old', 1, { trainer: 'old', server: 'old' });
  const release = await putReleaseOf(store, old.package, 'staging');
  await deployOn(store, 1, release);
  let before = release;
  for (const day of [2, 3]) {
    const { package: packed } = await putModel(store, `new ${day}`, day, { trainer: `${day}` });
    const next = await putReleaseOf(store, packed, 'staging');
    await deployOn(store, day, next, { before });
    before = next;
  }
  await nameOn(store, 100);
  return { ...old, release };
}

const goes = ({ goes: gone }: Pruned): Set<Digest> => new Set(gone.map(({ item }) => item.digest));
const reasonFor = ({ stays }: Pruned, digest: Digest): string | undefined =>
  stays.find(({ item }) => item.digest === digest)?.reason;

describe('a name', () => {
  test('that a person gave keeps a record with all that it stands on', async () => {
    const { package: packed, run, trainer, server, release } = await oldModel();
    await store.put((await store.get(packed)) ?? Buffer.of(), ['best']);
    await nameOn(store, 100);
    const pruned = await pruneStore(store, 0);
    expect(reasonFor(pruned, packed)).toBe('is named best');
    for (const digest of [run, trainer, server]) expect(reasonFor(pruned, digest)).toMatch(/ stands on it$/);
    expect(goes(pruned).has(release)).toBe(true);
  });

  test('that was given within a day keeps it: a job may be about to build on it', async () => {
    const { trainer, run } = await oldModel();
    await nameOn(store, TODAY - 0.9, `program-${hexOf(trainer, 12)}`);
    const pruned = await pruneStore(store, 0);
    expect(reasonFor(pruned, trainer)).toBe('was written within a day');
    expect(goes(pruned).has(run)).toBe(true);
  });
});

describe('what waits for its first use', () => {
  test('stays as long as what was live: a trainer that runs for days, a release that people have yet to approve', async () => {
    const { package: packed } = await oldModel();
    const waiting = await putReleaseOf(store, packed, 'production');
    const trainer = await putTrainer(store, { 'train.py': '# runs for days' });
    await putSource(store, trainer.digest, 'days');
    for (const digest of [waiting, trainer.digest])
      await nameOn(store, TODAY - 29, `${digest === waiting ? 'release' : 'program'}-${hexOf(digest, 12)}`);
    const pruned = await pruneStore(store, 0);
    for (const digest of [waiting, trainer.digest])
      expect(reasonFor(pruned, digest)).toBe('was made lately, and waits for its first use');
    await nameOn(store, TODAY - 31);
    const gone = goes(await pruneStore(store, 0));
    for (const digest of [waiting, trainer.digest, packed]) {
      expect(gone.has(digest)).toBe(true);
      expect(await store.get(digest)).toBeUndefined();
    }
  });
});

/** As a registry is: it does not know when anything was written. */
function withoutTimes(): Store {
  const remove: Store['remove'] = async (digests, now) => {
    await store.remove(digests, now);
    return { bytes: undefined };
  };
  return { ...bareStore(store), remove };
}

describe('in a store that knows no times', () => {
  test('records are as old as what they were made from, and what stands on them', async () => {
    const { run, package: packed, release, trainer, server } = await oldModel();
    const unreleased = await putModel(store, 'unreleased', 4, { trainer: '4', server: '4' });
    await nameOn(store, 100);
    const pruned = await pruneStore(withoutTimes(), 1);
    expect(pruned.freed).toBeUndefined();
    expect(pruned.bytes).toBeGreaterThan(0);
    for (const digest of [run, packed, release, trainer, server]) expect(goes(pruned).has(digest)).toBe(true);
    // It was made after its Run ended, so it is the newest.
    expect(reasonFor(pruned, unreleased.package)).toBe('is one of the last 1: package of toy');
  });

  test('what nothing tells the age of stays: a trainer that is being run now', async () => {
    await oldModel();
    const { digest } = await putTrainer(store, { 'train.py': '# runs now' });
    await nameOn(store, 100);
    expect(reasonFor(await pruneStore(withoutTimes(), 0), digest)).toBe('its age is not known');
  });

  test('a release of what was used lately stays', async () => {
    const { package: packed } = await oldModel();
    const again = await putReleaseOf(store, packed, 'production', { THRESHOLD: 1 });
    await deployOn(store, TODAY - 3, await putReleaseOf(store, packed, 'production'));
    const waiting = await putReleaseOf(store, packed, 'canary');
    await nameOn(store, 100);
    const pruned = await pruneStore(withoutTimes(), 0);
    for (const digest of [again, waiting])
      expect(reasonFor(pruned, digest)).toBe('was made lately, and waits for its first use');
  });
});

describe('a data set', () => {
  async function putData(name: string, bytes: string): Promise<Digest> {
    const config = { name, form: 'file' as const, files: 1, bytes: bytes.length };
    const file = {
      mediaType: 'application/vnd.trainyard.data.file.v1',
      ...(await store.write({ bytes: Buffer.from(bytes) })),
    };
    return (await putRecord(store, dataSet, { config, layers: [file] })).digest;
  }

  test('goes with the last Run that used it, and stays while nobody here has', async () => {
    const [old, used, unknown] = [
      await putData('a', 'old'),
      await putData('a', 'used'),
      await putData('b', 'x'),
    ];
    for (const [day, digest] of [
      [1, old],
      [2, used],
    ] as const) {
      const data = { a: { path: 'a', digest } };
      const trainer = await putTrainer(store, { 'train.py': `# ${day}` }, { data });
      await putSource(store, trainer.digest, `${day}`);
      const segments = [
        {
          startedAt: dayText(day),
          endedAt: dayText(day),
          status: 0,
          signal: null,
          state: 'succeeded' as const,
          host: 'box',
        },
      ];
      await putRun(store, trainer.digest, { claims: { segments } });
    }
    await nameOn(store, 100);
    const pruned = await pruneStore();
    expect(reasonFor(pruned, used)).toMatch(
      /^(is one of the last 1: data a|(program|run) \w{12} stands on it)$/,
    );
    expect(reasonFor(pruned, unknown)).toBe('whether another store uses it is not known');
    expect(goes(pruned).has(old)).toBe(true);
  });
});

describe('what other tools wrote', () => {
  const config = { ...EMPTY_LAYER };
  async function putImage(text: string, names: readonly string[], subject?: Digest): Promise<Digest> {
    await store.write({ bytes: Buffer.from('{}') });
    const layer = { mediaType: 'text/plain', ...(await store.write({ bytes: Buffer.from(text) })) };
    const size = subject === undefined ? 0 : ((await store.get(subject))?.length ?? 0);
    const of = subject && { subject: { mediaType: IMAGE_MANIFEST, digest: subject, size } };
    const manifest = { schemaVersion: 2, mediaType: IMAGE_MANIFEST, config, layers: [layer], ...of };
    return store.put(canonicalBytes(manifest), names);
  }
  async function putIndex(members: readonly Digest[], name: string): Promise<Digest> {
    const manifests = members.map((digest) => ({ mediaType: IMAGE_MANIFEST, digest, size: 1 }));
    return store.put(canonicalBytes({ schemaVersion: 2, mediaType: IMAGE_INDEX, manifests }), [name]);
  }

  test('stays, when it is of no record', async () => {
    await oldModel();
    const image = await putImage('theirs', ['image-one']);
    const listed = await putImage('listed', ['a-0123456789ab']);
    const index = await putIndex([listed], 'b-0123456789ab');
    await nameOn(store, 100);
    const pruned = await pruneStore();
    expect(reasonFor(pruned, image)).toBe('is named image-one');
    expect(reasonFor(pruned, index)).toBe('is named b-0123456789ab');
    for (const digest of [image, listed, index]) expect(await store.get(digest)).toBeDefined();
  });

  test('goes with the record that it is of: its image, a signature', async () => {
    const { package: packed, ...old } = await oldModel();
    const own = `image-${hexOf(packed, 12)}`;
    const image = await putImage('a model as a layer', [`${own}-amd64`]);
    const index = await putIndex([image, packed], own);
    const signature = await putImage('a signature', [`sha256-${hexOf(packed)}.sig`], packed);
    await nameOn(store, 100);
    const kept = await pruneStore(store, 3);
    for (const digest of [image, index, signature]) expect(reasonFor(kept, digest)).toBeDefined();
    const pruned = await pruneStore();
    for (const digest of [image, index, signature, packed, old.run]) {
      expect(goes(pruned).has(digest)).toBe(true);
      expect(await store.has(digest)).toBe(false);
    }
  });

  test('an image of two packages stays while one of them does', async () => {
    const { package: packed } = await oldModel();
    const [newest] = [...(await store.names('package-')).values()].filter((digest) => digest !== packed);
    if (newest === undefined) throw new Error('there is another');
    await store.put((await store.get(newest)) ?? Buffer.of(), ['best']);
    const image = await putImage(
      'the same files',
      [newest, packed].map((of) => `image-${hexOf(of, 12)}-amd64`),
    );
    const [stays, gone] = [
      await putIndex([image, newest], `image-${hexOf(newest, 12)}`),
      await putIndex([image, packed], `image-${hexOf(packed, 12)}`),
    ];
    await nameOn(store, 100);
    const pruned = await pruneStore();
    expect(reasonFor(pruned, image)).toMatch(/^index \w{12} stands on it$/);
    expect([reasonFor(pruned, stays), goes(pruned).has(gone)]).toEqual([expect.any(String), true]);
  });
});

describe('it is refused', () => {
  test('when a record cannot be read: what it stands on would be lost unseen', async () => {
    const { package: packed, release, run } = await oldModel();
    await rm(store.pathOf(packed));
    const config = (await getManifest(store, release))?.manifest.config.digest ?? release;
    await rm(store.pathOf(config));
    const artifactType = 'application/vnd.trainyard.run.v2+json';
    const { manifest } = (await getManifest(store, run)) ?? {};
    await store.put(canonicalBytes({ ...manifest, artifactType }), ['run-newer']);
    const said = await refusalOf(pruneStore());
    expect(said).toMatch(
      / is not pruned, because what these records stand on cannot be known \(verify with repair: true/,
    );
    expect(said).toMatch(/^ {2}- package-\w{12}: its record sha256:\w+ is not in /m);
    expect(said).toMatch(/^ {2}- release-\w{12}: .*there is no blob sha256:/m);
    expect(said).toMatch(/^ {2}- run-newer: sha256:\w+ was written by a newer Trainyard/m);
  });

  test('when the index is damaged, or the store is empty, or nothing can be removed from it', async () => {
    expect(await refusalOf(pruneStore())).toMatch(/ holds no records; is it the right store\?$/);
    await oldModel();
    expect(await refusalOf(pruneStore({ ...bareStore(store), location: 'artifact:' }))).toMatch(
      /^artifact: cannot be pruned: nothing can be removed from it\. Artifacts end by themselves/,
    );
    await writeFile(join(store.location, 'index.json'), '{');
    expect(await refusalOf(pruneStore())).toMatch(/index\.json is not an OCI image index/);
  });
});
