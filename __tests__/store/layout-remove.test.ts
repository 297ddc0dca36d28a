import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Digest, hexOf } from '../../src/lib/digest.ts';
import { copyBlob, copyRecord } from '../../src/store/copy.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { LayoutIndex } from '../../src/store/layout-index.ts';
import { removeFrom } from '../../src/store/layout-remove.ts';
import { getManifest } from '../../src/store/records.ts';
import { verify } from '../../src/verify/verify.ts';
import { recordingLog } from '../support/log.ts';
import { NODE } from '../support/step.ts';
import { type Model, putModel, putReleaseOf } from '../support/yard.ts';

const DAY_MS = 24 * 3600 * 1000;
/** Later than all grace. */
const later = (): number => Date.now() + 2 * DAY_MS;

let base: string;
/** Two models that share the trainer's and the server's source, and the bytes of an output. */
let models: { readonly one: Model; readonly two: Model };
let release: Digest;
beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'trainyard-remove-'));
  const store = new LayoutStore(join(base, 'yard'));
  models = { one: await putModel(store, 'one', 1), two: await putModel(store, 'two', 2, { trainer: 'two' }) };
  release = await putReleaseOf(store, models.one.package, 'staging');
}, 60_000);
afterAll(() => rm(base, { recursive: true, force: true }));

let root: string;
let store: LayoutStore;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'trainyard-remove-'));
  await cp(join(base, 'yard'), join(root, 'yard'), { recursive: true, preserveTimestamps: true });
  store = new LayoutStore(join(root, 'yard'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** All that only the second model stands on, and it. */
async function second(): Promise<Set<Digest>> {
  const { two, one } = models;
  const digests = new Set([two.package, two.run, two.trainer]);
  for (const digest of (await store.names('source-')).values())
    if ((await getManifest(store, digest))?.manifest.subject?.digest === two.trainer) digests.add(digest);
  if (two.server !== one.server) throw new Error('they have one server');
  return digests;
}

async function listed(of: Digest): Promise<Digest[]> {
  const { manifest } = (await getManifest(store, of)) ?? {};
  return [manifest?.config, ...(manifest?.layers ?? [])].flatMap((blob) => (blob ? [blob.digest] : []));
}

async function problems(): Promise<string[]> {
  const request = {
    of: undefined,
    repair: false,
    store: new LayoutStore(store.location),
    log: recordingLog(),
  };
  const { verdicts } = await verify({ ...request, signal: new AbortController().signal });
  return verdicts.flatMap(({ digest, problems: found }) => found.map((one) => `${digest}: ${one}`));
}

describe('records are removed', () => {
  test('with all their names and what only they list; all else stays', async () => {
    const gone = await second();
    const before = await store.names('');
    const blobs = await listed(models.two.run);
    const shared = new Set([...(await listed(models.one.run)), ...(await listed(models.one.trainer))]);
    const freed = await store.remove(gone, later());
    expect(freed.bytes).toBeGreaterThan(2000);
    const names = await store.names('');
    expect([...before].filter(([name]) => !names.has(name)).every(([, digest]) => gone.has(digest))).toBe(
      true,
    );
    expect(new Set(names.values())).toEqual(
      new Set([...before.values()].filter((digest) => !gone.has(digest))),
    );
    for (const blob of blobs) expect([blob, await store.has(blob)]).toEqual([blob, shared.has(blob)]);
    for (const digest of gone) expect(await store.get(digest)).toBeUndefined();
    expect(await readFile(join(store.location, 'index.json'), 'utf8')).not.toContain(models.two.run);
    expect(await readdir(join(store.location, 'tmp')).catch(() => [])).toEqual([]);
    expect(await problems()).toEqual([]);
    expect(await store.remove(new Set(), later())).toEqual({ bytes: 0 });
  });

  test('by a store whose folder is not there, to no effect', async () => {
    const nowhere = new LayoutStore(join(root, 'nowhere'));
    expect(await nowhere.remove(new Set([release]))).toEqual({ bytes: 0 });
    expect(await readdir(root)).toEqual(['yard']);
  });

  test('what another store shares by a link is not counted as free', async () => {
    const other = new LayoutStore(join(root, 'other'));
    await copyRecord(store, other, models.two.package);
    const gone = await second();
    let manifests = 0;
    for (const digest of gone) manifests += (await stat(store.pathOf(digest))).size;
    expect(await store.remove(gone, later())).toEqual({ bytes: manifests });
    expect((await other.names('package-')).size).toBe(1);
  });

  test('what nobody lists goes after a day, and not before', async () => {
    const { digest } = await store.write({ bytes: Buffer.from('a writer is about to name it') });
    await store.remove(new Set());
    await store.remove(new Set(), Date.now() + 0.9 * DAY_MS);
    expect(await store.has(digest)).toBe(true);
    expect((await store.remove(new Set(), later())).bytes).toBe(28);
    expect(await store.has(digest)).toBe(false);
  });

  test('what another tool’s manifest lists stays, whatever its form', async () => {
    const { digest, size } = await store.write({ bytes: Buffer.from('theirs') });
    const theirs = await store.write({ bytes: Buffer.from(JSON.stringify({ blobs: [{ digest, size }] })) });
    const index = JSON.parse(await readFile(join(store.location, 'index.json'), 'utf8'));
    index.manifests.push({ mediaType: 'application/vnd.oci.artifact.manifest.v1+json', ...theirs });
    await writeFile(join(store.location, 'index.json'), JSON.stringify(index));
    await store.remove(await second(), later());
    expect([await store.has(digest), await store.has(theirs.digest)]).toEqual([true, true]);
  });

  test('not those that a record which stays stands on, with what explains them', async () => {
    await store.remove(
      new Set([...(await second()), models.one.package, models.one.run, models.one.trainer]),
      later(),
    );
    for (const digest of [release, models.one.package, models.one.run, models.one.trainer])
      expect(await store.get(digest)).toBeDefined();
    expect(await problems()).toEqual([]);
    expect([...(await store.names('training-')).values()]).toEqual([models.one.run]);
  });

  test('not by a name that was given within a day', async () => {
    const freed = await store.remove(await second());
    expect(freed).toEqual({ bytes: 0 });
    expect(await problems()).toEqual([]);
    expect((await store.names('package-')).size).toBe(2);
  });

  test('nothing at all, when something cannot be read', async () => {
    const gone = await second();
    await writeFile(join(store.location, 'refs', 'broken'), 'x');
    await rm(join(store.location, 'index.json'));
    const before = await readdir(join(store.location, 'refs'));
    await expect(store.remove(gone, later())).rejects.toThrow(/refs\/broken does not name a record/);
    expect(await readdir(join(store.location, 'refs'))).toEqual(before);
  });
});

/** Removes the second model in a process of its own, which is killed. */
async function killedAfter(milliseconds: number, digests: ReadonlySet<Digest>): Promise<boolean> {
  const layout = JSON.stringify(join(import.meta.dirname, '../../src/store/layout.ts'));
  const code = `
const { LayoutStore } = await import(${layout});
console.log('begins');
await new LayoutStore(${JSON.stringify(store.location)}).remove(new Set(${JSON.stringify([...digests])}), ${later()});
console.log('ends');`;
  const flags = ['--disable-warning=ExperimentalWarning', '--input-type=module', '-e', code];
  const child = spawn(NODE, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (chunk) => {
    said += chunk;
  });
  const ended = once(child, 'exit');
  while (!said.includes('begins') && child.exitCode === null) await sleep(1);
  await sleep(milliseconds);
  child.kill('SIGKILL');
  await ended;
  return said.includes('ends');
}

test('a removal that is killed at any moment leaves what stays whole, and the next one ends it', async () => {
  const gone = await second();
  const others = new Set([...(await store.names('')).values()].filter((digest) => !gone.has(digest)));
  let ended = false;
  for (let milliseconds = 0; !ended; milliseconds += 20) {
    // As prune does: what has no name any more is not named to it.
    const named = new Set((await store.names('')).values());
    ended = await killedAfter(milliseconds, new Set([...gone].filter((digest) => named.has(digest))));
    for (const digest of others)
      for (const blob of [digest, ...(await listed(digest))]) expect(await store.has(blob)).toBe(true);
    if (milliseconds > 5000) throw new Error('it never ends');
  }
  await store.remove(new Set(), later());
  expect(await problems()).toEqual([]);
  expect(await readdir(join(store.location, 'tmp')).catch(() => [])).toEqual([]);
  const reference = new LayoutStore(join(root, 'reference'));
  await cp(join(base, 'yard'), reference.location, { recursive: true, preserveTimestamps: true });
  await reference.remove(gone, later());
  expect(await readdir(join(store.location, 'blobs', 'sha256'))).toEqual(
    await readdir(join(reference.location, 'blobs', 'sha256')),
  );
}, 60_000);

describe('while others write', () => {
  /** Does what package-model does with a Run that the store has already. */
  async function packageAgain(to: LayoutStore): Promise<void> {
    const full = new LayoutStore(join(base, 'yard'));
    await copyRecord(full, to, models.two.run);
    await copyRecord(full, to, models.two.server);
    const found = await getManifest(full, models.two.package);
    if (found === undefined) throw new Error('it is there');
    for (const blob of [found.manifest.config, ...found.manifest.layers]) await copyBlob(full, to, blob);
    await to.put(found.bytes, [`package-${hexOf(models.two.package, 12)}`]);
  }

  test('what is named after its bytes were set aside comes back, with all that it stands on', async () => {
    const bytes = await store.get(models.two.package);
    let wrote: Promise<unknown> = Promise.resolve();
    let looks = 0;
    class Index extends LayoutIndex {
      override async names(prefix: string): Promise<ReadonlyMap<string, Digest>> {
        looks += 1;
        // Before anything was done, before bytes are set aside, and before they are removed.
        if (looks === 3) {
          wrote = new LayoutStore(store.location).put(bytes ?? Buffer.of(), ['best']);
          while ((await super.names('best')).size === 0) await sleep(1);
        }
        return super.names(prefix);
      }
    }
    const folder = { root: store.location, location: 'yard', index: new Index(store.location) };
    const gone = await second();
    const read = (digest: Digest) => store.get(digest);
    expect(await removeFrom(folder, gone, read, later())).toEqual({ bytes: 0 });
    await wrote;
    expect(looks).toBe(3);
    expect((await store.names('package-')).size).toBe(2);
    for (const digest of gone) expect(await store.get(digest)).toBeDefined();
    expect(await problems()).toEqual([]);
  });

  test('whoever is told that a record is written finds it whole; whoever is refused need only run again', async () => {
    const gone = await second();
    const outcomes = { told: 0, refused: 0 };
    for (let round = 0; round < 12; round++) {
      const folder = join(root, `round-${round}`);
      await cp(join(base, 'yard'), folder, { recursive: true, preserveTimestamps: true });
      await sleep(10);
      // What lies here now is old, and what is written from now on young.
      const now = Date.now() + DAY_MS;
      const write = () => packageAgain(new LayoutStore(folder));
      const [, wrote] = await Promise.allSettled([
        sleep(Math.random() * 60).then(() => new LayoutStore(folder).remove(gone, now)),
        sleep(Math.random() * 60).then(write),
      ]);
      store = new LayoutStore(folder);
      if (wrote.status === 'fulfilled') outcomes.told += 1;
      else {
        expect(String(wrote.reason)).toMatch(/was removed, by a prune perhaps|there is no /);
        outcomes.refused += 1;
        await write();
      }
      expect([round, await store.get(models.two.package)]).toEqual([round, expect.anything()]);
      expect([round, await problems()]).toEqual([round, []]);
    }
    expect(outcomes.told).toBeGreaterThan(0);
  }, 120_000);
});
