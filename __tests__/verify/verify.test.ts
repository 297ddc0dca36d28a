import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import { canonicalBytes } from '../../src/lib/json.ts';
import { IMAGE_INDEX, IMAGE_MANIFEST } from '../../src/records/oci.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { bareStore } from '../support/bare-store.ts';
import { Breakable } from '../support/breakable.ts';
import { refusalOf } from '../support/workshop.ts';

const yard = new Breakable();

describe('a record is whole', () => {
  test('with all that it stands on, up to its commits', async () => {
    const { verdicts, problems, blobs, bytes, mended } = await yard.check(yard.digestOf('deployment'));
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
    await yard.damage(await yard.blobOf('release'), 'another');
    const { problems, verdicts } = await yard.check(yard.digestOf('package'));
    expect(problems).toEqual([]);
    expect(verdicts.map(({ kind }) => kind)).not.toContain('release');
  });

  test('and so is every record of a store, when none is named', async () => {
    const { verdicts, problems } = await yard.check();
    expect(problems).toEqual([]);
    expect(new Set(verdicts.map(({ digest }) => digest))).toEqual(
      new Set((await yard.store.names('')).values()),
    );
  });

  test('in a store that has no files of its own', async () => {
    const { problems, verdicts } = await yard.check(yard.digestOf('deployment'), {
      at: bareStore(yard.store),
    });
    expect([problems, verdicts.length]).toEqual([[], 9]);
    await yard.damage(await yard.blobOf('run', 'model.onnx'), 'another');
    const broken = await yard.check(yard.digestOf('run'), { at: bareStore(yard.store) });
    expect(broken.problems).toEqual([
      expect.stringMatching(
        /^run: its file model\.onnx \(sha256:\w+\) cannot be read: .*bytes differ from their digest/,
      ),
    ]);
  });
});

/** Of a file in a folder. */
const DAMAGED = 'is damaged (first let verify with the input repair: true remove it)';
const ORDER: readonly unknown[] = ['source', 'trainer', 'server', 'run', 'package', 'release', 'deployment'];

describe('a broken link is named', () => {
  test('a file that is missing', async () => {
    const model = await yard.blobOf('run', 'model.onnx');
    await rm(yard.store.pathOf(model));
    const { problems } = await yard.check(yard.digestOf('release'));
    const gone = `its file model.onnx (${model}) is missing`;
    expect(problems).toEqual([
      `run: ${gone}; package it again from a hand-off that has it, or train again`,
      `package: ${gone}; run package-model again`,
    ]);
  });

  test('a file whose bytes were changed, or that was cut', async () => {
    const [model, golden] = [
      await yard.blobOf('run', 'model.onnx'),
      await yard.blobOf('run', 'golden.jsonl'),
    ];
    await yard.damage(model, 'another model');
    await yard.damage(golden, '');
    const { problems } = await yard.check(yard.digestOf('run'));
    expect(problems).toEqual([
      `run: its file model.onnx (${model}) ${DAMAGED}; package it again from a hand-off that has it, or train again`,
      `run: its file golden.jsonl (${golden}) ${DAMAGED}; package it again from a hand-off that has it, or train again`,
    ]);
    expect(await yard.store.has(model)).toBe(true);
  });

  test('a file of another size than the record says', async () => {
    const { layers } = await yard.manifestOf('run');
    const [first, ...rest] = layers;
    if (first === undefined) throw new Error('a run has files');
    const run = await yard.putChanged(
      'run',
      { layers: [{ ...first, size: first.size + 1 }, ...rest] },
      'run-x',
    );
    expect((await yard.check(run)).problems).toEqual([
      `run: its file model.onnx (${first.digest}) has ${first.size} bytes, and the record says ${first.size + 1}; package it again from a hand-off that has it, or train again`,
    ]);
  });

  test('a parent that is missing', async () => {
    await rm(yard.store.pathOf(yard.digestOf('run')));
    const { problems, verdicts } = await yard.check(yard.digestOf('deployment'));
    expect(problems).toEqual([
      `package: the run that it stands on, ${yard.line.run}, is not in ${yard.store.location}; package it again from a hand-off that has it, or train again`,
    ]);
    expect(verdicts.map(({ kind }) => kind)).not.toContain('run');
  });

  test('a manifest that is damaged', async () => {
    await yard.damage(yard.digestOf('trainer'), '{}');
    const { problems } = await yard.check(yard.digestOf('run'));
    expect(problems).toEqual([
      expect.stringMatching(
        new RegExp(`^undefined: .*bytes differ from their digest \\(expected ${yard.line.trainer}`),
      ),
    ]);
  });

  test('a server that is missing', async () => {
    await rm(yard.store.pathOf(yard.digestOf('server')));
    const gone = `the server that it stands on, ${yard.line.server}, is not in ${yard.store.location}; run build again on its commit`;
    expect((await yard.check(yard.digestOf('release'))).problems).toEqual([
      `package: ${gone}`,
      `release: ${gone}`,
    ]);
  });

  test('a parent of another kind, or none', async () => {
    const subject = { mediaType: IMAGE_MANIFEST, digest: yard.digestOf('server'), size: 1 };
    const wrong = await yard.putChanged('run', { subject }, 'run-wrong');
    expect((await yard.check(wrong)).problems).toEqual([
      `run: it stands on ${yard.line.server}, which is no trainer, but server`,
    ]);
    const { subject: _, ...orphan } = await yard.manifestOf('package');
    const alone = await yard.store.put(canonicalBytes(orphan), ['package-alone']);
    expect((await yard.check(alone)).problems).toEqual([
      'package: it names no parent, and a package stands on a run',
    ]);
  });

  test('a parent of another size than the record says', async () => {
    const { subject } = await yard.manifestOf('run');
    if (subject === undefined) throw new Error('a run has a trainer');
    const run = await yard.putChanged('run', { subject: { ...subject, size: 7 } }, 'run-sized');
    expect((await yard.check(run)).problems).toEqual([
      expect.stringMatching(/^run: it says that the trainer sha256:\w+ has 7 bytes, and it has \d+$/),
    ]);
  });

  test('a program or a release that no source explains', async () => {
    for (const [name, digest] of await yard.store.names('source-')) {
      await rm(yard.store.pathOf(digest));
      await rm(join(yard.store.location, 'refs', name));
    }
    const lost = (stage: string) =>
      `no source in ${yard.store.location} says which commit it is of; run ${stage} again on its commit`;
    const { problems } = await yard.check(yard.digestOf('release'));
    expect(problems).toEqual([
      `trainer: ${lost('build')}`,
      `server: ${lost('build')}`,
      `release: ${lost('release-config').replace(' on its commit', '')}`,
    ]);
  });

  test('a configuration of another kind', async () => {
    const { config } = await yard.manifestOf('release');
    const run = await yard.putChanged('run', { config }, 'run-config');
    expect((await yard.check(run)).problems).toEqual([
      "run: its configuration is of the type application/vnd.trainyard.release.v1+json, and a run's is application/vnd.trainyard.run.v1+json",
      expect.stringMatching(/^run: its configuration is not a run that this version reads: trainingId: /),
    ]);
  });

  test('a configuration that is missing', async () => {
    const config = await yard.blobOf('run');
    await rm(yard.store.pathOf(config));
    expect((await yard.check(yard.digestOf('run'))).problems).toEqual([
      `run: its configuration (${config}) is missing; package it again from a hand-off that has it, or train again`,
    ]);
  });

  test('a record of a version that is not known', async () => {
    const artifactType = 'application/vnd.trainyard.run.v2+json';
    const newer = await yard.putChanged('run', { artifactType }, 'run-newer');
    const said = `${newer} was written by a newer Trainyard (${artifactType}); use that version, or a later one, here too`;
    expect((await yard.check(newer)).problems).toEqual([`undefined: ${said}`]);
    expect((await yard.check()).problems).toEqual([`undefined: ${said}`]);
  });

  test('a parent that is no record of Trainyard', async () => {
    const image = await yard.putChanged('run', { artifactType: 'application/vnd.acme.v1' }, 'acme');
    const subject = { mediaType: IMAGE_MANIFEST, digest: image, size: 1 };
    const packaged = await yard.putChanged('package', { subject }, 'package-image');
    expect((await yard.check(packaged)).problems).toEqual([
      `package: it stands on ${image}, which is no run, but image`,
    ]);
  });

  test('a name whose record is gone', async () => {
    await rm(yard.store.pathOf(yard.digestOf('deployment')));
    expect((await yard.check()).problems).toEqual([
      expect.stringMatching(
        /^undefined: the name deployment-toy-staging-\w{12} stands for it, and it is not in .*; make that record again, or give verify the input repair: true/,
      ),
    ]);
  });
});

describe('what other tools wrote', () => {
  test('is verified as far as it goes', async () => {
    const config = {
      mediaType: 'application/json',
      ...(await yard.store.write({ bytes: Buffer.from('{}') })),
    };
    const blob = { mediaType: 'text/plain', ...(await yard.store.write({ bytes: Buffer.from('note') })) };
    const image = await yard.store.put(
      canonicalBytes({ schemaVersion: 2, mediaType: IMAGE_MANIFEST, config, layers: [blob] }),
      [],
    );
    const absent = digestOf(Buffer.from('absent'));
    const size = (await yard.store.get(image))?.length;
    const members = [image, absent].map((digest) => ({ mediaType: IMAGE_MANIFEST, digest, size }));
    await yard.store.put(canonicalBytes({ schemaVersion: 2, mediaType: IMAGE_INDEX, manifests: members }), [
      'both',
    ]);
    await yard.damage(blob.digest, 'another note');
    expect((await yard.check()).problems).toEqual([
      `image: its layer (${blob.digest}) ${DAMAGED}; write it again with the tool that made it`,
      `index: its member ${absent} is not in ${yard.store.location}; write it again with the tool that made it`,
    ]);
  });

  test('a ModelPack of another tool is no Package', async () => {
    const { subject: _, annotations: __, ...pack } = await yard.manifestOf('package');
    const theirs = await yard.store.put(canonicalBytes(pack), ['theirs']);
    const { problems, verdicts } = await yard.check(theirs);
    expect([problems, verdicts.map(({ kind }) => kind)]).toEqual([[], ['image']]);
  });
});

test('what is not there is refused', async () => {
  const zero = digestOf(Buffer.from('zero'));
  expect(await refusalOf(yard.check(zero))).toBe(`there is no record ${zero} in ${yard.store.location}`);
  const empty = new LayoutStore(join(yard.shop.root, 'empty'));
  expect(await refusalOf(yard.check(undefined, { at: empty }))).toBe(
    `${empty.location} holds no records; is it the right store?`,
  );
  expect(await refusalOf(yard.check(undefined, { at: bareStore(yard.store), repair: true }))).toMatch(
    /cannot be repaired: what is in it is never changed/,
  );
});

describe('repair', () => {
  test('removes a damaged file, and the stage that is run again writes it', async () => {
    const source = await yard.blobOf('trainer', 'source.tar');
    await yard.damage(source, 'another source');
    const { problems } = await yard.check(undefined, { repair: true });
    expect(problems).toEqual([
      `trainer: its file source.tar (${source}) is missing; run build again on its commit`,
    ]);
    await yard.shop.build({ handoff: yard.store.location });
    expect((await yard.check()).problems).toEqual([]);
  });
});
