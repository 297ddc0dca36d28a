/** Records of what these tests don't do themselves: a training, a deployment. */
import type { Digest } from '../../src/lib/digest.ts';
import type { JsonObject } from '../../src/lib/json.ts';
import { type DeploymentConfig, deployment } from '../../src/records/deployment.ts';
import type { Stored } from '../../src/records/kind.ts';
import { release } from '../../src/records/release.ts';
import { METRICS_LAYER, OUTPUT_LAYER, type RunConfig, run } from '../../src/records/run.ts';
import { trainingOf } from '../../src/records/training.ts';
import { getTrainer } from '../../src/store/programs.ts';
import { getRecord, layer, putRecord } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { onnx } from './models.ts';

const TIME = '2026-01-02T03:04:05Z';

/** One weight of four values. */
export const MODEL = onnx({ weights: [{ name: 'w', dims: [2, 2] }] });
export const GOLDEN = '{"request":{},"answer":{}}\n';

export interface RunOptions {
  readonly params?: JsonObject;
  readonly outputs?: Readonly<Record<string, string | Buffer>>;
  /** The course of its metrics, as JSON Lines. */
  readonly course?: string;
  /** What the training zone claims, true or not. */
  readonly claims?: Partial<RunConfig>;
}

/** A Run of a trainer as train would record it: succeeded, with a model and golden requests, unless something else is given. */
export async function putRun(
  store: Store,
  trainerDigest: Digest,
  {
    params = {},
    outputs = { 'model.onnx': MODEL, 'golden.jsonl': GOLDEN },
    course,
    claims = {},
  }: RunOptions = {},
): Promise<Stored<RunConfig>> {
  const trainer = await getTrainer(store, trainerDigest, 'trainerDigest');
  const layers = [];
  for (const [path, content] of Object.entries(outputs))
    layers.push(layer(OUTPUT_LAYER, await store.write({ bytes: Buffer.from(content) }), path));
  if (course !== undefined)
    layers.push(
      layer(METRICS_LAYER, await store.write({ bytes: Buffer.from(course) }), 'trainyard/metrics.jsonl'),
    );
  const config: RunConfig = {
    ...trainingOf(trainer, params, 'params'),
    state: 'succeeded',
    commit: null,
    metrics: { accuracy: 0.97, loss: 0.1 },
    segments: [{ startedAt: TIME, endedAt: TIME, status: 0, signal: null, state: 'succeeded', host: 'box' }],
    machine: {
      os: 'Linux',
      architecture: 'x64',
      processors: 2,
      memoryBytes: 2 ** 34,
      python: '3.11.2',
      trainyard: '1.0.0',
    },
    ...claims,
  };
  return putRecord(store, run, { config, layers, subject: trainer });
}

/** A Deployment of a release as deploy would record it, live unless something else is given. */
export async function putDeployment(
  store: Store,
  releaseDigest: Digest,
  changes: Partial<DeploymentConfig> = {},
): Promise<Stored<DeploymentConfig>> {
  const subject = await getRecord(store, release, releaseDigest);
  const { name, environment, target } = subject.config;
  const config: DeploymentConfig = {
    name,
    environment,
    outcome: 'live',
    endpoint: `http://127.0.0.1:${target.port}`,
    checks: [{ name: 'ready', passed: true, detail: '200' }],
    before: null,
    reason: null,
    startedAt: TIME,
    endedAt: TIME,
    ...changes,
  };
  return putRecord(store, deployment, { config, layers: [], subject });
}
