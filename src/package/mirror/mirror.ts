import { z } from 'zod';
import { runOf } from './mirrored-run.ts';
import type { Mirroring } from './mirroring.ts';
import { versionOf } from './version.ts';

/** What the server has now. */
export interface Mirrored {
  /** The page of the run. */
  readonly page: string;
  /** The version of the registered model; undefined when nothing lasting can be pointed to. */
  readonly version: string | undefined;
}

const experiment = z.object({ experiment_id: z.string() });

/**
 * Tells an MLflow server of a package: an experiment of the project's name, a run with parameters and metrics, and a version of
 * the registered model that points to the package. What is there already, by the digest of the Run or by the version's source,
 * stays as it is.
 */
export async function mirror(mirroring: Mirroring): Promise<Mirrored> {
  const { server } = mirroring;
  const id = await experimentId(mirroring);
  const run = await runOf(mirroring, id);
  const version = await versionOf(mirroring, run);
  const page = new URL(server.url);
  page.pathname = `${page.pathname.replace(/\/$/, '')}/`;
  page.hash = `/experiments/${id}/runs/${run}`;
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
