/** A store with a history, written record by record: who trained, released and deployed what, on which day. */
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../src/lib/digest.ts';
import { modelFile } from '../../src/package/layers.ts';
import type { DeploymentConfig } from '../../src/records/deployment.ts';
import type { Stored } from '../../src/records/kind.ts';
import { modelPackage, packageAnnotations } from '../../src/records/package.ts';
import { release } from '../../src/records/release.ts';
import { type RunConfig, trainingName } from '../../src/records/run.ts';
import { source } from '../../src/records/source.ts';
import type { LayoutStore } from '../../src/store/layout.ts';
import { getManifest, getRecord, layer, putRecord } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { putServer, putTrainer } from './programs.ts';
import { putDeployment, putRun } from './runs.ts';

const DAY_MS = 24 * 3600 * 1000;

/** Day 200 of all histories is the day after tomorrow: then nothing that a test has just written is young any more. */
export const TODAY = 200;
const BEGIN = Date.now() + 2 * DAY_MS - TODAY * DAY_MS;

/** A day of the history, in milliseconds since 1970. */
export function dayMs(day: number): number {
  return BEGIN + day * DAY_MS;
}

/** The same as a record writes it. */
export function dayText(day: number): string {
  return new Date(dayMs(day)).toISOString();
}

/** Lets every name of a folder look as if it was given on a day. */
export async function nameOn(store: LayoutStore, day: number, prefix = ''): Promise<void> {
  const time = new Date(dayMs(day));
  for (const name of (await store.names(prefix)).keys())
    await utimes(join(store.location, 'refs', name), time, time);
}

/** A model that was trained, with all records up to its Package. */
export interface Model {
  readonly trainer: Digest;
  readonly server: Digest;
  readonly run: Digest;
  readonly package: Digest;
}

export interface ModelChoices {
  /** Another version of the program is another trainer. */
  readonly trainer?: string;
  readonly server?: string;
  readonly project?: string;
}

/** Says which commit a record is of. */
export async function putSource(store: Store, of: Digest, commit: string): Promise<Digest> {
  const found = await getManifest(store, of);
  if (found === undefined) throw new Error(`there is no ${of}`);
  const subject = { digest: of, size: found.bytes.length, manifest: found.manifest };
  const id = Buffer.from(commit.padEnd(20, '.')).toString('hex').slice(0, 40);
  const config = { repository: '', commit: id, path: '.', ref: 'refs/heads/main' };
  return (await putRecord(store, source, { config, layers: [], subject })).digest;
}

/** Trains and packages a model whose bytes are its name's. */
export async function putModel(
  store: Store,
  model: string,
  day: number,
  choices: ModelChoices = {},
): Promise<Model> {
  const { trainer: version = 'one', server: serving = 'one', project: name = 'toy' } = choices;
  const trainer = await putTrainer(store, { 'train.py': `# ${version}` }, { name });
  const server = await putServer(store, { 'serve.py': `# ${serving}` }, { name });
  await putSource(store, trainer.digest, `t${version}`);
  await putSource(store, server.digest, `s${serving}`);
  const trained = await trainedOn(store, trainer.digest, model, day);
  const found = await getManifest(store, trained.digest);
  if (found !== undefined) await store.put(found.bytes, [trainingName(trained.config.trainingId)]);
  const weights = await store.write({ bytes: Buffer.from(model) });
  const readme = await store.write({ bytes: Buffer.from(`# ${model}`) });
  const layers = [modelFile('weight', weights, 'model.bin'), modelFile('doc', readme, 'README.md')];
  const packed = await putRecord(store, modelPackage, {
    config: {
      descriptor: { name },
      config: { format: 'bin' },
      modelfs: { type: 'layers', diffIds: layers.map(({ digest }) => digest) },
    },
    layers,
    subject: trained,
    annotations: packageAnnotations({
      name,
      metrics: { accuracy: 1 },
      trainingId: trained.config.trainingId,
      server: server.digest,
      allow: [],
    }),
  });
  return { trainer: trainer.digest, server: server.digest, run: trained.digest, package: packed.digest };
}

function trainedOn(store: Store, trainer: Digest, model: string, day: number): Promise<Stored<RunConfig>> {
  const time = dayText(day);
  const segments = [
    { startedAt: time, endedAt: time, status: 0, signal: null, state: 'succeeded' as const, host: 'box' },
  ];
  return putRun(store, trainer, { outputs: { 'model.bin': model }, claims: { segments } });
}

/** Releases a Package for an environment. */
export async function putReleaseOf(
  store: Store,
  packaged: Digest,
  environment: string,
  config: Readonly<Record<string, number>> = {},
): Promise<Digest> {
  const subject = await getRecord(store, modelPackage, packaged);
  const annotations = subject.manifest.annotations ?? {};
  const server = /^sha256:(\w+)$/.exec(annotations['vnd.trainyard.server'] ?? '')?.[1];
  const blob = await store.write({ bytes: Buffer.from(JSON.stringify(config)) });
  const { digest } = await putRecord(store, release, {
    config: {
      name: annotations['vnd.trainyard.name'] ?? '',
      environment,
      server: `sha256:${server}`,
      target: { kind: 'process', port: 8080, host: '127.0.0.1' },
      config,
      secrets: [],
    },
    layers: [layer('application/vnd.trainyard.configuration.v1+json', blob, 'configuration.json')],
    subject,
  });
  await putSource(store, digest, 'release');
  return digest;
}

/** Records that a release was deployed on a day. */
export async function deployOn(
  store: Store,
  day: number,
  of: Digest,
  changes: Partial<DeploymentConfig> = {},
): Promise<Digest> {
  const times = { startedAt: dayText(day), endedAt: dayText(day) };
  return (await putDeployment(store, of, { ...times, ...changes })).digest;
}
