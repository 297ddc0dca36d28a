import { z } from 'zod';
import type { Json } from '../../lib/json.ts';
import { type Mirroring, tagsOf } from './mirroring.ts';
import { endOf, keyOf, type Point, pointsOf } from './points.ts';

/** Limits of runs/log-batch. */
const [MOST_METRICS, MOST_PARAMS] = [1000, 100];
/** The longest value of a parameter that every version of the server takes. */
const LONGEST = 500;

const nothing = z.object({});
const info = z.object({ run_id: z.string(), status: z.string().optional() });

/**
 * The id of the run on the server, with its parameters and metrics; made where there is none.
 * @param experiment its id
 */
export async function runOf(mirroring: Mirroring, experiment: string): Promise<string> {
  const run = await findRun(mirroring, experiment);
  if (run.status !== 'FINISHED') await fillRun(mirroring, run.run_id);
  return run.run_id;
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

function textOf(value: Json): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST - 1)}…` : text;
}
