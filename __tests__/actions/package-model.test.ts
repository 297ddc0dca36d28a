import { rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { TITLE } from '../../src/records/oci.ts';
import { modelPackage } from '../../src/records/package.ts';
import { run as runKind } from '../../src/records/run.ts';
import { getManifest, getRecord, readBytes } from '../../src/store/records.ts';
import { safetensors } from '../support/models.ts';
import { GOLDEN, MODEL, putRun } from '../support/runs.ts';
import { digestIn, openWorkshop, type Workshop } from '../support/workshop.ts';

let shop: Workshop;
beforeAll(async () => {
  shop = await openWorkshop();
});
afterEach(() => shop.reset());
afterAll(() => shop.remove());

describe('a package', () => {
  test('is a ModelPack (v0.0.7) with raw layers, paths and metadata, and without any time', async () => {
    const { built, run, pack } = await shop.trained();
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
      config: { format: 'onnx', precision: 'float32' },
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
      expect(annotations['org.cncf.model.file.mediatype.untested']).toBe('false');
    }
    const bytes = await shop.store.get(digest);
    expect(Buffer.from(bytes ?? []).toString()).not.toMatch(/2\d{3}-\d\d-\d\dT/);
  });

  test('holds the files themselves, and a card with metrics, parameters and digests', async () => {
    const { built, run, pack } = await shop.trained();
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
    expect(card).toMatch(/^---\n[\s\S]*\n---\n\n# Toy\n\nCounts\.\n\n## Model\n/);
    for (const line of [
      '| accuracy | 0.97 |',
      '| epochs | 3 |',
      `| run | ${run} |`,
      `| trainer | ${built.trainer} |`,
    ])
      expect(card).toContain(line);
  });

  test('has the same digest when it is made again, by a later commit, and from the Run in the store alone', async () => {
    const { built, run, pack } = await shop.trained();
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
    const { pack } = await shop.trained({
      outputs: {
        'w/model.safetensors': safetensors({ w: [30, 50] }),
        'w/tokenizer.json': '{}',
        'rest.bin': 'x',
      },
    });
    const digest = digestIn((await pack()).outputs, 'package');
    const { manifest, config } = await getRecord(shop.store, modelPackage, digest);
    expect(config.config).toEqual({ format: 'safetensors', paramSize: '1.5K', precision: 'float32' });
    expect(
      manifest.layers.map(({ mediaType, annotations }) => `${annotations?.[TITLE]} ${mediaType}`),
    ).toEqual([
      'w/model.safetensors application/vnd.cncf.model.weight.v1.raw',
      'w/tokenizer.json application/vnd.cncf.model.weight.config.v1.raw',
      'README.md application/vnd.cncf.model.doc.v1.raw',
    ]);
  });

  test('is told in a summary that begins with its verdict', async () => {
    const { run, pack } = await shop.trained();
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
    const { built, run, pack } = await shop.trained();
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
    const { built, run, pack } = await shop.trained();
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
    const { run, pack } = await shop.trained();
    const { outputs, failure, summary } = await pack();
    expect(outputs).toEqual({ package: '', image: '' });
    expect(failure).toBe(
      'the model does not hold its thresholds: accuracy is 0.97, and must be ≥ 0.99; loss is 0.1, and must be ≥ 0 and ≤ 0.05; f1 is not among the run’s metrics, and must be ≥ 0.5. Train a better one, or change metrics in trainyard.yml',
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

  test('that a forced training does not hold leave the Run before it to be used again', async () => {
    const { built, run, pack } = await shop.trained();
    expect((await pack()).failure).toBeUndefined();
    const forced = await putRun(shop.handoff, digestIn(built, 'trainer'), {
      claims: { metrics: { accuracy: 0.5 } },
    });
    expect((await shop.package(built, forced.digest)).failure).toMatch(/accuracy is 0\.5/);
    expect((await shop.build()).run).toBe(run);
  });
});
