import { z } from 'zod';
import type { Digest } from '../../lib/digest.ts';
import type { Json } from '../../lib/json.ts';
import type { Stored } from '../../records/kind.ts';
import type { RunConfig } from '../../records/run.ts';
import type { Store } from '../../store/store.ts';
import { endOf, keyOf, type Point, pointsOf } from './points.ts';
import type { MlflowServer } from './server.ts';

/** Limits of runs/log-batch. */
const [MOST_METRICS, MOST_PARAMS] = [1000, 100];
/** The longest value of a parameter that every version of the server takes. */
const LONGEST = 500;

export interface Mirroring {
  readonly name: string;
  readonly run: Stored<RunConfig>;
  readonly package: Digest;
  /** What the model version points to; undefined for none. */
  readonly source: string | undefined;
  /** That has the Run. */
  readonly store: Store;
  readonly server: MlflowServer;
}

/** What the server has now. */
export interface Mirrored {
  /** The page of the run. */
  readonly page: string;
  /** The version of the registered model; undefined when nothing lasting can be pointed to. */
  readonly version: string | undefined;
}

const nothing = z.object({});
const experiment = z.object({ experiment_id: z.string() });
const info = z.object({ run_id: z.string(), status: z.string().optional() });
const modelVersion = z.object({ version: z.string() });

/**
 * Tells an MLflow server of a package: an experiment of the project's name, a run with parameters and metrics, and a version of
 * the registered model that points to the package. What is there already, by the digest of the Run or by the version's source,
 * stays as it is.
 */
export async function mirror(mirroring: Mirroring): Promise<Mirrored> {
  const { server } = mirroring;
  const id = await experimentId(mirroring);
  const run = await findRun(mirroring, id);
  if (run.status !== 'FINISHED') await fillRun(mirroring, run.run_id);
  const version = await versionOf(mirroring, run.run_id);
  const page = new URL(server.url);
  page.pathname = `${page.pathname.replace(/\/$/, '')}/`;
  page.hash = `/experiments/${id}/runs/${run.run_id}`;
  return { page: page.href, version };
}

async function experimentId({ server, name }: Mirroring): Promise<string> {
  const find = () =>
    server.get('experiments/get-by-name', { experiment_name: name }, z.object({ experiment }));
  const id =
    (await find())?.experiment.experiment_id ??
    (await server.post('experiments/create', { name }, experiment))?.experiment_id ??
    (await find())?.experiment.experiment_id;
  return id ?? '';
}

async function findRun(
  { server, run, package: packaged }: Mirroring,
  id: string,
): Promise<z.infer<typeof info>> {
  const { config, digest } = run;
  const found = await server.post(
    'runs/search',
    { experiment_ids: [id], filter: `tags.\`trainyard.run\` = '${digest}'`, max_results: 1 },
    z.object({ runs: z.array(z.object({ info })).default([]) }),
  );
  const first = found?.runs[0]?.info;
  if (first !== undefined) return first;
  const tags = {
    'trainyard.run': digest,
    'trainyard.package': packaged,
    'trainyard.training-id': config.trainingId,
    ...Object.fromEntries(
      Object.entries(config.data).map(([data, of]) => [`trainyard.data.${keyOf(data)}`, of]),
    ),
    ...(config.commit !== null && { 'mlflow.source.git.commit': config.commit }),
  };
  const created = await server.post(
    'runs/create',
    {
      experiment_id: id,
      run_name: digest.slice('sha256:'.length, 'sha256:'.length + 12),
      start_time: Date.parse(config.segments[0]?.startedAt ?? '') || 0,
      tags: tagsOf(tags),
    },
    z.object({ run: z.object({ info }) }),
  );
  return created?.run.info ?? { run_id: '' };
}

async function fillRun({ server, run, store }: Mirroring, id: string): Promise<void> {
  const log = (batch: object) => server.post('runs/log-batch', { run_id: id, ...batch }, nothing);
  const params = Object.entries(run.config.params).map(([name, value]) => ({
    key: keyOf(name),
    value: textOf(value),
  }));
  for (let at = 0; at < params.length; at += MOST_PARAMS)
    await log({ params: params.slice(at, at + MOST_PARAMS) });
  let metrics: Point[] = [];
  for await (const point of pointsOf(store, run)) {
    if (metrics.push(point) < MOST_METRICS) continue;
    await log({ metrics });
    metrics = [];
  }
  if (metrics.length > 0) await log({ metrics });
  await server.post('runs/update', { run_id: id, status: 'FINISHED', end_time: endOf(run.config) }, nothing);
}

async function versionOf(
  { server, name, source, package: packaged, run }: Mirroring,
  id: string,
): Promise<string | undefined> {
  if (source === undefined) return undefined;
  await server.post('registered-models/create', { name }, nothing);
  const found = await server.get(
    'model-versions/search',
    { filter: `name = '${name}' and source_path = '${source}'` },
    z.object({ model_versions: z.array(modelVersion).default([]) }),
  );
  const version = found?.model_versions[0]?.version;
  if (version !== undefined) return version;
  const tags = tagsOf({ 'trainyard.package': packaged, 'trainyard.run': run.digest });
  const created = await server.post(
    'model-versions/create',
    { name, source, run_id: id, tags },
    z.object({ model_version: modelVersion }),
  );
  return created?.model_version.version;
}

function tagsOf(tags: Readonly<Record<string, string>>): { key: string; value: string }[] {
  return Object.entries(tags).map(([key, value]) => ({ key, value }));
}

function textOf(value: Json): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}
