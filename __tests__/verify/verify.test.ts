import { chmod, cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Digest, digestOf } from '../../src/lib/digest.ts';
import { canonicalBytes } from '../../src/lib/json.ts';
import { IMAGE_INDEX, IMAGE_MANIFEST, type Manifest, TITLE } from '../../src/records/oci.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { getManifest } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { type Verdict, verify } from '../../src/verify/verify.ts';
import { recordingLog } from '../support/log.ts';
import { putDeployment } from '../support/runs.ts';
import { digestIn, openWorkshop, refusalOf, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
let count = 0;
/** The whole line, and a store in which each test may break it. */
const line = { trainer: '', server: '', run: '', package: '', release: '', deployment: '' };
let store: LayoutStore;
beforeAll(async () => {
  shop = await openWorkshop();
  const { built, run, package: packaged } = await shop.toPackage();
  const release = digestIn((await shop.release(packaged)).outputs, 'release');
  const { digest } = await putDeployment(shop.store, release);
  const { trainer = '', server = '' } = built;
  Object.assign(line, { trainer, server, run, package: packaged, release, deployment: digest });
}, 60_000);
beforeEach(async () => {
  const folder = join(shop.root, `broken-${count++}`);
  await cp(shop.store.location, folder, { recursive: true });
  store = new LayoutStore(folder);
});
afterAll(() => shop.remove());

const digestOfThe = (name: keyof typeof line): Digest => digestIn(line, name);

async function check(of?: Digest, { repair = false, at = store }: { repair?: boolean; at?: Store } = {}) {
  const log = recordingLog();
  const request = { of, repair, store: at, log, signal: new AbortController().signal };
  const { verdicts, ...totals } = await verify(request);
  return { verdicts, ...totals, log, problems: problemsOf(verdicts) };
}

/** Broken links by the record that has them. */
function problemsOf(verdicts: readonly Verdict[]): string[] {
  return verdicts.flatMap(({ kind, role, problems }) =>
    problems.map((problem) => `${role ?? kind}: ${problem}`),
  );
}

async function manifestOfThe(name: keyof typeof line): Promise<Manifest> {
  const found = await getManifest(store, digestOfThe(name));
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found.manifest;
}

/** The digest of a record's file, or of its configuration. */
async function blobOf(name: keyof typeof line, file?: string): Promise<Digest> {
  const { config, layers } = await manifestOfThe(name);
  const found = file === undefined ? config : layers.find(({ annotations }) => annotations?.[TITLE] === file);
  if (found === undefined) throw new Error(`${name} has no ${file}`);
  return found.digest;
}

async function damage(digest: Digest, bytes: string): Promise<void> {
  await chmod(store.pathOf(digest), 0o644);
  await writeFile(store.pathOf(digest), bytes);
}

/** Puts a record that is the present one with changes. */
async function putChanged(name: keyof typeof line, changes: Partial<Manifest>, tag: string): Promise<Digest> {
  return store.put(canonicalBytes({ ...(await manifestOfThe(name)), ...changes }), [tag]);
}

describe('a record is whole', () => {
  test('with all that it stands on, up to its commits', async () => {
    const { verdicts, problems, blobs, bytes, mended } = await check(digestOfThe('deployment'));
    expect(problems).toEqual([]);
    expect(mended).toEqual([]);
    expect(verdicts.map(({ kind, role }) => role ?? kind)).toEqual(
      [
        ...['source', 'source', 'source'],
        ...['trainer', 'server', 'run', 'package', 'release', 'deployment'],
      ].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b)),
    );
    expect(blobs).toBeGreaterThan(15);
    expect(bytes).toBeGreaterThan(5000);
    const run = verdicts.find(({ kind }) => kind === 'run');
    expect(run?.blobs).toBe(3);
  });

  test('whatever was made of it since', async () => {
    await damage(await blobOf('release'), 'another');
    const { problems, verdicts } = await check(digestOfThe('package'));
    expect(problems).toEqual([]);
    expect(verdicts.map(({ kind }) => kind)).not.toContain('release');
  });

  test('and so is every record of a store, when none is named', async () => {
    const { verdicts, problems } = await check();
    expect(problems).toEqual([]);
    expect(new Set(verdicts.map(({ digest }) => digest))).toEqual(new Set((await store.names('')).values()));
  });

  test('in a store that has no files of its own', async () => {
    const { problems, verdicts } = await check(digestOfThe('deployment'), { at: withoutFiles(store) });
    expect([problems, verdicts.length]).toEqual([[], 9]);
    await damage(await blobOf('run', 'model.onnx'), 'another');
    const broken = await check(digestOfThe('run'), { at: withoutFiles(store) });
    expect(broken.problems).toEqual([
      expect.stringMatching(
        /^run: its file model\.onnx \(sha256:\w+\) cannot be read: .*bytes differ from their digest/,
      ),
    ]);
  });
});

const ORDER: readonly unknown[] = ['source', 'trainer', 'server', 'run', 'package', 'release', 'deployment'];

/** As a registry is: what it has is asked for, and comes as a stream. */
function withoutFiles(from: LayoutStore): Store {
  return {
    location: from.location,
    has: (digest) => from.has(digest),
    read: (digest) => from.read(digest),
    peek: (digest, offset, length) => from.peek(digest, offset, length),
    write: (content, expected) => from.write(content, expected),
    put: (manifest, names) => from.put(manifest, names),
    get: (digest) => from.get(digest),
    children: (digest) => from.children(digest),
    names: (prefix) => from.names(prefix),
    resolve: (name) => from.resolve(name),
    take: async () => false,
    scratch: () => from.scratch(),
  };
}

describe('a broken link is named', () => {
  test('a file that is missing', async () => {
    const model = await blobOf('run', 'model.onnx');
    await rm(store.pathOf(model));
    const { problems } = await check(digestOfThe('release'));
    const gone = `its file model.onnx (${model}) is missing`;
    expect(problems).toEqual([
      `run: ${gone}; package it again from a hand-off that has it, or train again`,
      `package: ${gone}; run package-model again`,
    ]);
  });

  test('a file whose bytes were changed, or that was cut', async () => {
    const [model, golden] = [await blobOf('run', 'model.onnx'), await blobOf('run', 'golden.jsonl')];
    await damage(model, 'another model');
    await damage(golden, '');
    const { problems } = await check(digestOfThe('run'));
    expect(problems).toEqual([
      `run: its file model.onnx (${model}) is damaged; package it again from a hand-off that has it, or train again`,
      `run: its file golden.jsonl (${golden}) is damaged; package it again from a hand-off that has it, or train again`,
    ]);
    expect(await store.has(model)).toBe(true);
  });

  test('a file of another size than the record says', async () => {
    const { layers } = await manifestOfThe('run');
    const [first, ...rest] = layers;
    if (first === undefined) throw new Error('a run has files');
    const run = await putChanged('run', { layers: [{ ...first, size: first.size + 1 }, ...rest] }, 'run-x');
    expect((await check(run)).problems).toEqual([
      `run: its file model.onnx (${first.digest}) has ${first.size} bytes, and the record says ${first.size + 1}; package it again from a hand-off that has it, or train again`,
    ]);
  });

  test('a parent that is missing', async () => {
    await rm(store.pathOf(digestOfThe('run')));
    const { problems, verdicts } = await check(digestOfThe('deployment'));
    expect(problems).toEqual([
      `package: the run that it stands on, ${line.run}, is not in ${store.location}; package it again from a hand-off that has it, or train again`,
    ]);
    expect(verdicts.map(({ kind }) => kind)).not.toContain('run');
  });

  test('a manifest that is damaged', async () => {
    await damage(digestOfThe('trainer'), '{}');
    const { problems } = await check(digestOfThe('run'));
    expect(problems).toEqual([
      expect.stringMatching(
        new RegExp(`^undefined: .*bytes differ from their digest \\(expected ${line.trainer}`),
      ),
    ]);
  });

  test('a server that is missing', async () => {
    await rm(store.pathOf(digestOfThe('server')));
    const gone = `the server that it stands on, ${line.server}, is not in ${store.location}; run build again on its commit`;
    expect((await check(digestOfThe('release'))).problems).toEqual([`package: ${gone}`, `release: ${gone}`]);
  });

  test('a parent of another kind, or none', async () => {
    const subject = { mediaType: IMAGE_MANIFEST, digest: digestOfThe('server'), size: 1 };
    const wrong = await putChanged('run', { subject }, 'run-wrong');
    expect((await check(wrong)).problems).toEqual([
      `run: it stands on ${line.server}, which is no trainer, but server`,
    ]);
    const { subject: _, ...orphan } = await manifestOfThe('package');
    const alone = await store.put(canonicalBytes(orphan), ['package-alone']);
    expect((await check(alone)).problems).toEqual([
      'package: it names no parent, and a package stands on a run',
    ]);
  });

  test('a parent of another size than the record says', async () => {
    const { subject } = await manifestOfThe('run');
    if (subject === undefined) throw new Error('a run has a trainer');
    const run = await putChanged('run', { subject: { ...subject, size: 7 } }, 'run-sized');
    expect((await check(run)).problems).toEqual([
      expect.stringMatching(/^run: it says that the trainer sha256:\w+ has 7 bytes, and it has \d+$/),
    ]);
  });

  test('a program or a release that no source explains', async () => {
    for (const [name, digest] of await store.names('source-')) {
      await rm(store.pathOf(digest));
      await rm(join(store.location, 'refs', name));
    }
    const lost = (stage: string) =>
      `no source in ${store.location} says which commit it is of; run ${stage} again on its commit`;
    const { problems } = await check(digestOfThe('release'));
    expect(problems).toEqual([
      `trainer: ${lost('build')}`,
      `server: ${lost('build')}`,
      `release: ${lost('release-config').replace(' on its commit', '')}`,
    ]);
  });

  test('a configuration of another kind', async () => {
    const { config } = await manifestOfThe('release');
    const run = await putChanged('run', { config }, 'run-config');
    expect((await check(run)).problems).toEqual([
      "run: its configuration is of the type application/vnd.trainyard.release.v1+json, and a run's is application/vnd.trainyard.run.v1+json",
      expect.stringMatching(/^run: its configuration is not a run that this version reads: trainingId: /),
    ]);
  });

  test('a configuration that is missing', async () => {
    const config = await blobOf('run');
    await rm(store.pathOf(config));
    expect((await check(digestOfThe('run'))).problems).toEqual([
      `run: its configuration (${config}) is missing; package it again from a hand-off that has it, or train again`,
    ]);
  });

  test('a record of a version that is not known', async () => {
    const artifactType = 'application/vnd.trainyard.run.v2+json';
    const newer = await putChanged('run', { artifactType }, 'run-newer');
    const said = `${newer} was written by a newer Trainyard (${artifactType}); use that version, or a later one, here too`;
    expect((await check(newer)).problems).toEqual([`undefined: ${said}`]);
    expect((await check()).problems).toEqual([`undefined: ${said}`]);
  });

  test('a parent that is no record of Trainyard', async () => {
    const image = await putChanged('run', { artifactType: 'application/vnd.acme.v1' }, 'acme');
    const subject = { mediaType: IMAGE_MANIFEST, digest: image, size: 1 };
    const packaged = await putChanged('package', { subject }, 'package-image');
    expect((await check(packaged)).problems).toEqual([
      `package: it stands on ${image}, which is no run, but image`,
    ]);
  });

  test('a name whose record is gone', async () => {
    await rm(store.pathOf(digestOfThe('deployment')));
    expect((await check()).problems).toEqual([
      expect.stringMatching(
        /^undefined: the name deployment-toy-staging-\w{12} stands for it, and it is not in .*; make that record again, or give verify the input repair: true/,
      ),
    ]);
  });
});

describe('what other tools wrote', () => {
  test('is verified as far as it goes', async () => {
    const config = { mediaType: 'application/json', ...(await store.write({ bytes: Buffer.from('{}') })) };
    const blob = { mediaType: 'text/plain', ...(await store.write({ bytes: Buffer.from('note') })) };
    const image = await store.put(
      canonicalBytes({ schemaVersion: 2, mediaType: IMAGE_MANIFEST, config, layers: [blob] }),
      [],
    );
    const absent = digestOf(Buffer.from('absent'));
    const size = (await store.get(image))?.length;
    const members = [image, absent].map((digest) => ({ mediaType: IMAGE_MANIFEST, digest, size }));
    await store.put(canonicalBytes({ schemaVersion: 2, mediaType: IMAGE_INDEX, manifests: members }), [
      'both',
    ]);
    await damage(blob.digest, 'another note');
    expect((await check()).problems).toEqual([
      `image: its layer (${blob.digest}) is damaged; write it again with the tool that made it`,
      `index: its member ${absent} is not in ${store.location}; write it again with the tool that made it`,
    ]);
  });

  test('a ModelPack of another tool is no Package', async () => {
    const { subject: _, annotations: __, ...pack } = await manifestOfThe('package');
    const theirs = await store.put(canonicalBytes(pack), ['theirs']);
    const { problems, verdicts } = await check(theirs);
    expect([problems, verdicts.map(({ kind }) => kind)]).toEqual([[], ['image']]);
  });
});

test('what is not there is refused', async () => {
  const zero = digestOf(Buffer.from('zero'));
  expect(await refusalOf(check(zero))).toBe(`there is no record ${zero} in ${store.location}`);
  const empty = new LayoutStore(join(shop.root, 'empty'));
  expect(await refusalOf(check(undefined, { at: empty }))).toBe(
    `${empty.location} holds no records; is it the right store?`,
  );
  expect(await refusalOf(check(undefined, { at: withoutFiles(store), repair: true }))).toMatch(
    /cannot be repaired: what is in it is never changed/,
  );
});

describe('repair', () => {
  test('removes a damaged file, and the stage that is run again writes it', async () => {
    const source = await blobOf('trainer', 'source.tar');
    await damage(source, 'another source');
    const { problems } = await check(undefined, { repair: true });
    expect(problems).toEqual([
      `trainer: its file source.tar (${source}) is missing; run build again on its commit`,
    ]);
    await shop.build({ handoff: store.location });
    expect((await check()).problems).toEqual([]);
  });
});
