import { z } from 'zod';
import { type Mirroring, tagsOf } from './mirroring.ts';

const nothing = z.object({});
const modelVersion = z.object({ version: z.string() });

/** The version of the registered model that points to the package; undefined where there is nothing lasting to point to. */
export async function versionOf(
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
