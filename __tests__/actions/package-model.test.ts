import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { Outcome } from '../../src/github/action.ts';
import { TITLE } from '../../src/records/oci.ts';
import { modelPackage } from '../../src/records/package.ts';
import { run as runKind } from '../../src/records/run.ts';
import { getManifest, getRecord, readBytes } from '../../src/store/records.ts';
import { GOLDEN, MODEL, type RunOptions } from '../support/runs.ts';
import { digestIn, openWorkshop, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
let base: string;
beforeAll(async () => {
  shop = await openWorkshop();
  base = (await shop.repository.git('rev-parse', 'HEAD')).trim();
});
afterEach(async () => {
  await shop.repository.git('reset', '-q', '--hard', base);
  for (const folder of [shop.handoff.location, shop.store.location])
    await rm(folder, { recursive: true, force: true });
});
afterAll(() => shop.remove());

/** A trained project, ready to be packaged. */
async function trained(options?: RunOptions) {
  const built = await shop.build();
  const { digest } = await shop.train(built, options);
  return { built, run: digest, pack: (inputs = {}): Promise<Outcome> => shop.package(built, digest, inputs) };
}

async function refusalOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    (outcome) => `not refused: ${JSON.stringify(outcome)}`,
    (error: unknown) =>
      error instanceof Error && error.name === 'UserError' ? error.message : String(error),
  );
}

describe('a package', () => {
  test('is a ModelPack (v0.0.7) with raw layers, paths and metadata, and without any time', async () => {
    const { built, run, pack } = await trained();
    const digest = digestIn((await pack()).outputs, 'package');
    const { manifest, config } = await getRecord(shop.store, modelPackage, digest);
    expect(manifest).toMatchObject({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      artifactType: 'application/vnd.cncf.model.manifest.v1+json',
      config: { mediaType: 'application/vnd.cncf.model.config.v1+json' },
      subject: { digest: run },
      annotations: {
        'vnd.trainyard.name': 'toy',
        'vnd.trainyard.metrics': '{"accuracy":0.97,"loss":0.1}',
        'vnd.trainyard.server': built.server,
        'vnd.trainyard.training-id': built['training-id'],
      },
    });
    expect(config).toEqual({
      descriptor: { name: 'toy' },
      config: { format: 'onnx' },
      modelfs: { type: 'layers', diffIds: manifest.layers.map((layer) => layer.digest) },
    });
    const files = manifest.layers.map(({ mediaType, annotations }) => [annotations?.[TITLE], mediaType]);
    expect(files).toEqual([
      ['model.onnx', 'application/vnd.cncf.model.weight.v1.raw'],
      ['server/source.tar', 'application/vnd.cncf.model.code.v1.raw'],
      ['server/serve.txt', 'application/vnd.cncf.model.code.v1.raw'],
      ['golden.jsonl', 'application/vnd.cncf.model.dataset.v1.raw'],
      ['README.md', 'application/vnd.cncf.model.doc.v1.raw'],
    ]);
    for (const { annotations = {}, size } of manifest.layers) {
      expect(annotations['org.cncf.model.filepath']).toBe(annotations[TITLE]);
      expect(JSON.parse(annotations['org.cncf.model.file.metadata+json'] ?? '')).toEqual({
        name: annotations[TITLE]?.split('/').pop(),
        mode: 0o644,
        uid: 0,
        gid: 0,
        size,
        mtime: '1970-01-01T00:00:00Z',
        typeflag: 48,
      });
      expect(annotations['org.cncf.model.file.mediatype.untested']).toBe('true');
    }
    const bytes = await shop.store.get(digest);
    expect(Buffer.from(bytes ?? []).toString()).not.toMatch(/2\d{3}-\d\d-\d\dT/);
  });

  test('holds the files themselves, and a card with metrics, parameters and digests', async () => {
    const { built, run, pack } = await trained();
    const digest = digestIn((await pack()).outputs, 'package');
    const { manifest } = await getRecord(shop.store, modelPackage, digest);
    const read = async (path: string): Promise<Buffer> => {
      const layer = manifest.layers.find(({ annotations }) => annotations?.[TITLE] === path);
      return layer === undefined ? Buffer.alloc(0) : readBytes(shop.store, layer.digest);
    };
    expect(await read('model.onnx')).toEqual(MODEL);
    expect((await read('golden.jsonl')).toString()).toBe(GOLDEN);
    expect((await read('serve.txt')).length + (await read('server/serve.txt')).length).toBeGreaterThan(0);
    const card = (await read('README.md')).toString();
    expect(card).toMatch(/^# Toy\n\nCounts\.\n\n## Metrics\n/);
    for (const line of [
      '| accuracy | 0.97 |',
      '| epochs | 3 |',
      `| run | ${run} |`,
      `| trainer | ${built.trainer} |`,
    ])
      expect(card).toContain(line);
  });

  test('has the same digest when it is made again, by a later commit, and from the Run in the store alone', async () => {
    const { built, run, pack } = await trained();
    const { outputs } = await pack();
    expect(digestIn(outputs, 'package')).toMatch(/^sha256:/);
    expect((await pack()).outputs).toEqual(outputs);
    await shop.repository.commit({
      'README.md': 'Another text.\n',
      'environments/edge.yml': 'target: {kind: process, port: 1}\n',
    });
    expect((await pack()).outputs).toEqual(outputs);
    const later = await shop.build();
    expect(later.run).toBe(run);
    await rm(shop.handoff.location, { recursive: true });
    const rebuilt = await shop.build();
    expect(rebuilt.trainer).toBe(built.trainer);
    expect((await shop.package(rebuilt, run)).outputs).toEqual(outputs);
  });

  test('needs no server, and takes files of a subfolder as configuration by their names', async () => {
    await shop.repository.edit('trainyard.yml', /server:[\s\S]*/, '');
    await shop.repository.edit(
      'trainyard.yml',
      'files: [model.onnx]',
      'files: [w/model.safetensors, w/tokenizer.json]',
    );
    const safetensors = Buffer.from('\x80\x02\0\0\0\0\0\0{"__metadata__":{}}', 'latin1');
    const { pack } = await trained({
      outputs: { 'w/model.safetensors': safetensors, 'w/tokenizer.json': '{}', 'rest.bin': 'x' },
    });
    const digest = digestIn((await pack()).outputs, 'package');
    const { manifest, config } = await getRecord(shop.store, modelPackage, digest);
    expect(config.config).toEqual({ format: 'safetensors' });
    expect(
      manifest.layers.map(({ mediaType, annotations }) => `${annotations?.[TITLE]} ${mediaType}`),
    ).toEqual([
      'w/model.safetensors application/vnd.cncf.model.weight.v1.raw',
      'w/tokenizer.json application/vnd.cncf.model.weight.config.v1.raw',
      'README.md application/vnd.cncf.model.doc.v1.raw',
    ]);
  });

  test('is told in a summary that begins with its verdict', async () => {
    const { run, pack } = await trained();
    const { summary, outputs } = await pack();
    const short = (digest = ''): string => `<code>${digest.slice(7, 19)}</code>`;
    expect(summary.split('\n')[0]).toBe(
      `### 📦 toy · package ${short(outputs.package)} of run ${short(run)}`,
    );
    expect(summary).toContain('| <code>accuracy</code> | 0.97 | ✅ ≥ 0.9 |');
    expect(summary).toContain(outputs.package);
  });
});

describe('the store after packaging', () => {
  test('holds the Run with its outputs, both programs and the commit, each under a name', async () => {
    const { built, run, pack } = await trained();
    await pack();
    await rm(shop.handoff.location, { recursive: true });
    const names = [...(await shop.store.names('')).keys()].map((name) => name.replace(/-[0-9a-f]{12,}/g, ''));
    expect(names).toEqual(['package', 'program', 'program', 'run', 'source', 'source', 'training']);
    const { manifest } = await getRecord(shop.store, runKind, run);
    for (const { digest } of manifest.layers) await readBytes(shop.store, digest);
    for (const role of ['trainer', 'server']) {
      const program = await getManifest(shop.store, digestIn(built, role));
      for (const { digest } of program?.manifest.layers ?? []) await readBytes(shop.store, digest);
    }
  });

  test('serves a build as a finished Run, also one whose timeout has changed since, and that is packaged anew', async () => {
    const { built, run, pack } = await trained();
    const first = await pack();
    await shop.repository.edit('trainyard.yml', '10m', '3h');
    const again = await shop.build();
    expect(again.trainer).not.toBe(built.trainer);
    expect(again.run).toBe(run);
    expect((await shop.package(again, run)).outputs).toEqual(first.outputs);
    await shop.repository.edit('serve.py', 'serving', 'up');
    const third = await shop.package(await shop.build(), run);
    expect(third.outputs.package).not.toBe(first.outputs.package);
  });
});

describe('thresholds', () => {
  test('that do not hold fail with the figures, and keep the Run for reuse', async () => {
    await shop.repository.edit(
      'trainyard.yml',
      '{accuracy: {goal: maximize, min: 0.9}}',
      '{accuracy: {goal: maximize, min: 0.99}, loss: {goal: minimize, max: 0.05, min: 0}, f1: {goal: maximize, min: 0.5}}',
    );
    const { run, pack } = await trained();
    const { outputs, failure, summary } = await pack();
    expect(outputs).toEqual({ package: '' });
    expect(failure).toBe(
      'the model does not hold its thresholds: accuracy is 0.97, and must be ≥ 0.99; loss is 0.1, and must be ≥ 0 and ≤ 0.05; f1 is missing, and must be ≥ 0.5. Train a better one, or change metrics in trainyard.yml',
    );
    expect(summary).toMatch(
      /^### ❌ toy · run <code>[0-9a-f]{12}<\/code> is not packaged: the model does not hold/,
    );
    expect(summary).toContain('| <code>f1</code> | missing | ❌ ≥ 0.5 |');
    expect([...(await shop.store.names('package-')).keys()]).toEqual([]);
    await shop.repository.edit(
      'trainyard.yml',
      /metrics:.*/,
      'metrics: {accuracy: {goal: maximize, min: 0.97}}',
    );
    const relaxed = await shop.build();
    expect(relaxed.run).toBe(run);
    expect((await shop.package(relaxed, run)).failure).toBeUndefined();
  });
});

describe('refused, with nothing in the store:', () => {
  afterEach(async () => {
    await expect(readdir(shop.store.location)).rejects.toThrow(/ENOENT/);
  });

  test.each([
    ['failed', /^run sha256:\w+ failed; only a succeeded run can be packaged/],
    ['cancelled', /^run sha256:\w+ was cancelled; only a succeeded run can be packaged/],
  ] as const)('a run with the state %s', async (state, said) => {
    const { pack } = await trained({ claims: { state } });
    expect(await refusalOf(pack())).toMatch(said);
  });

  test('a run of another trainer, of other parameters, and one that is claimed to be of this training', async () => {
    const old = await trained();
    await shop.repository.edit('lib/steps.py', '3', '4');
    const built = await shop.build();
    const said =
      /^run sha256:\w+ is not of this training: build asked for training id sha256:\w+, and the run is of sha256:\w+, by trainer sha256:\w+ instead of sha256:\w+\. Hand over/;
    expect(await refusalOf(shop.package(built, old.run))).toMatch(said);
    const id = digestIn(built, 'training-id');
    const liar = await shop.train(old.built, { claims: { trainingId: id } });
    expect(await refusalOf(shop.package(built, liar.digest))).toMatch(/is not of this training/);
    const others = await shop.train(built, { params: { epochs: 9 } });
    expect(await refusalOf(shop.package(built, others.digest))).toMatch(/is not of this training/);
    expect(
      await refusalOf(shop.package({ ...built, 'training-id': others.config.trainingId }, others.digest)),
    ).toMatch(/^not refused/);
    await rm(shop.store.location, { recursive: true });
  });

  test('a run that tells other data or parameters than its training id covers', async () => {
    const built = await shop.build();
    const otherData = await shop.train(built, { claims: { data: { numbers: `sha256:${'e'.repeat(64)}` } } });
    expect(await refusalOf(shop.package(built, otherData.digest))).toMatch(/is not of this training/);
    const fewer = await shop.train(built, { claims: { params: { epochs: 3 } } });
    expect(await refusalOf(shop.package(built, fewer.digest))).toMatch(/is not of this training/);
  });

  test('records of other kinds, and records that are not there', async () => {
    const { built, run } = await trained();
    const { trainer = '', server = '' } = built;
    expect(await refusalOf(shop.package(built, trainer))).toBe(
      `${trainer} is a program, but a run (application/vnd.trainyard.run.v1+json) is needed here`,
    );
    expect(await refusalOf(shop.package({ ...built, trainer: server }, run))).toMatch(
      /is a server; a trainer is needed here/,
    );
    expect(await refusalOf(shop.package({ ...built, server: trainer }, run))).toMatch(
      /^input server is sha256:\w+, which is a trainer/,
    );
    expect(await refusalOf(shop.package(built, `sha256:${'0'.repeat(64)}`))).toMatch(
      /^there is no run sha256:0+ in .*handoff, nor in .*yard\. Check the digest, and that the stage that made it wrote to the same store$/,
    );
    expect(await refusalOf(shop.package({ ...built, 'training-id': 'latest' }, ''))).toBe(
      'the inputs cannot be used:\n' +
        '  - input training-id is "latest", not a digest: it has the form sha256: and 64 hexadecimal digits\n' +
        '  - input run is required',
    );
  });

  test('files that are missing or carry code, all at once', async () => {
    await shop.repository.edit(
      'trainyard.yml',
      '[model.onnx]',
      '[model.onnx, a.pt, b.bin, c.bin, d.npy, e.sh, f.pkl]',
    );
    const { pack } = await trained({
      outputs: {
        'a.pt': Buffer.from('PK\x03\x04rest', 'latin1'),
        'b.bin': Buffer.from('\x80\x04\x95\x05', 'latin1'),
        'c.bin': Buffer.from('\x7fELF', 'latin1'),
        'd.npy': Buffer.from(`\x93NUMPY\x01\0v\0{'descr': '|O', 'fortran_order': False}`, 'latin1'),
        'e.sh': '#!/bin/sh\n',
        'f.pkl': "cos\nsystem\n(S'true'\ntR.",
      },
    });
    const lines = (await refusalOf(pack())).split('\n');
    expect(lines).toEqual([
      'the model cannot be packaged:',
      expect.stringMatching(
        /trainyard\.yml:11:17: model\.onnx is not an output of the run; its outputs are a\.pt, b\.bin, c\.bin/,
      ),
      expect.stringMatching(
        /:11:29: a\.pt is a ZIP archive, as PyTorch, NumPy and Keras write around pickles; export safetensors or ONNX/,
      ),
      expect.stringMatching(/:11:35: b\.bin is a pickle, and loading it runs the code in it/),
      expect.stringMatching(
        /:11:42: c\.bin is a Linux executable; the server's code belongs in server\.source/,
      ),
      expect.stringMatching(/d\.npy is a pickle/),
      expect.stringMatching(/e\.sh is a script/),
      expect.stringMatching(/f\.pkl is a pickle/),
    ]);
  });

  test('a run without the golden requests, a card that is not in the commit', async () => {
    const { pack } = await trained({ outputs: { 'model.onnx': MODEL } });
    expect(await refusalOf(pack())).toMatch(
      /server\.golden in trainyard\.yml is golden\.jsonl, and the run has no such output; its outputs are model\.onnx\. Let the trainer write it/,
    );
    const whole = await trained();
    await shop.repository.commit({ 'MODEL.md': undefined });
    expect(await refusalOf(whole.pack())).toMatch(
      /^trainyard\.yml:11:36: model\.card is MODEL\.md, and the commit has no MODEL\.md$/,
    );
  });

  test('an output whose bytes were changed in the hand-off', async () => {
    const { run, pack } = await trained();
    const { manifest } = await getRecord(shop.handoff, runKind, run);
    const file = shop.handoff.pathOf(manifest.layers[0]?.digest ?? run);
    await chmod(file, 0o644);
    await writeFile(file, 'another model');
    expect(await refusalOf(pack())).toMatch(
      /: the bytes differ from their digest \(expected sha256:\w+, found sha256:\w+\)/,
    );
  });
});
