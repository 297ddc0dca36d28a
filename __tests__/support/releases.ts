import { readFile } from 'node:fs/promises';
import type { Golden } from '../../src/deploy/golden.ts';
import { modelFile } from '../../src/package/layers.ts';
import type { Stored } from '../../src/records/kind.ts';
import { modelPackage, packageAnnotations } from '../../src/records/package.ts';
import { type ReleaseConfig, release } from '../../src/records/release.ts';
import { OUTPUT_LAYER, run } from '../../src/records/run.ts';
import { source } from '../../src/records/source.ts';
import { trainingOf } from '../../src/records/training.ts';
import { layer, putRecord } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { putServer, putTrainer } from './programs.ts';
import { SERVER } from './server-file.ts';

export interface ReleaseChoices {
  readonly port: number;
  /** The model's bytes; another model is another release. */
  readonly model?: string;
  /** On which of machines that are alike it was trained; another Run is another release. */
  readonly trainedOn?: string;
  readonly config?: ReleaseConfig['config'];
  readonly secrets?: readonly string[];
  readonly golden?: readonly Pick<Golden, 'request' | 'response'>[] | string;
  readonly server?: Parameters<typeof putServer>[2];
  readonly environment?: string;
  readonly probing?: ReleaseConfig['probing'];
  readonly approvers?: ReleaseConfig['approvers'];
  /** The commit that explains it. */
  readonly explainedBy?: string;
}

/** The answer of the test server to `POST /sum`, as a golden request. */
export function sumOf(numbers: readonly number[], sum: number): Pick<Golden, 'request' | 'response'> {
  return {
    request: { method: 'POST', path: '/sum', headers: {}, body: { numbers } },
    response: { status: 200, body: { sum } },
  };
}

/** A release of the test server in a store, with all that it stands on, as the stages before deploy would write it. */
export async function putRelease(store: Store, choices: ReleaseChoices): Promise<Stored<ReleaseConfig>> {
  const { model = 'weights', trainedOn = 'linux', golden = [sumOf([1, 2], 3)] } = choices;
  const trainer = await putTrainer(store, { 'train.py': '# trains' });
  const weights = await store.write({ bytes: Buffer.from(model) });
  const text = typeof golden === 'string' ? golden : golden.map((one) => JSON.stringify(one)).join('\n');
  const requests = await store.write({ bytes: Buffer.from(text) });
  const { trainingId, params, data } = trainingOf(trainer, {}, 'test');
  const trained = await putRecord(store, run, {
    config: {
      trainingId,
      state: 'succeeded',
      commit: null,
      params,
      data,
      metrics: { accuracy: 1 },
      segments: [],
      machine: {
        os: trainedOn,
        architecture: 'x64',
        processors: 1,
        memoryBytes: 1,
        python: null,
        trainyard: '0',
      },
    },
    layers: [layer(OUTPUT_LAYER, weights, 'model.bin'), layer(OUTPUT_LAYER, requests, 'golden.jsonl')],
    subject: trainer,
  });
  const server = await putServer(
    store,
    { 'server.mjs': await readFile(SERVER, 'utf8') },
    {
      command: ['node', 'server.mjs', '${model}', '${models}', '${host}:${port}'],
      golden: 'golden.jsonl',
      ...choices.server,
    },
  );
  const layers = [modelFile('weight', weights, 'model.bin'), modelFile('dataset', requests, 'golden.jsonl')];
  const modelPack = await putRecord(store, modelPackage, {
    config: {
      descriptor: { name: 'toy' },
      config: { format: 'bin' },
      modelfs: { type: 'layers', diffIds: layers.map(({ digest }) => digest) },
    },
    layers,
    subject: trained,
    annotations: packageAnnotations({
      name: 'toy',
      metrics: { accuracy: 1 },
      trainingId,
      server: server.digest,
      allow: [],
    }),
  });
  const { probing, approvers, explainedBy: commit } = choices;
  const released = await putRecord(store, release, {
    config: {
      name: 'toy',
      environment: choices.environment ?? 'test',
      server: server.digest,
      target: { kind: 'process', port: choices.port, host: '127.0.0.1' },
      config: choices.config ?? {},
      secrets: [...(choices.secrets ?? [])],
      ...(probing && { probing }),
      ...(approvers && { approvers }),
    },
    layers: [],
    subject: modelPack,
  });
  if (commit !== undefined)
    await putRecord(store, source, {
      config: { repository: 'https://github.com/team/toy', commit, path: '.', ref: 'refs/heads/main' },
      layers: [],
      subject: released,
    });
  return released;
}
