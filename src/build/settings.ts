import { posix } from 'node:path';
import { z } from 'zod';
import { UserError } from '../lib/errors.ts';
import { type JsonObject, json } from '../lib/json.ts';
import { type Commit, readProjectFile } from '../source/commit.ts';
import { parseYaml } from '../source/yaml.ts';

const mapping = z.record(z.string(), json);

/** The declared parameters: written in `trainyard.yml`, or in a file that it names. */
export async function readParams(commit: Commit, params: JsonObject | string): Promise<JsonObject> {
  return typeof params === 'string' ? readMapping(commit, params, 'trainer.params') : params;
}

/** The JSON Schema of the environments' configuration; release-config checks with it. */
export async function readConfigSchema(
  commit: Commit,
  path: string,
): Promise<Record<string, z.infer<typeof json>>> {
  return readMapping(commit, path, 'server.config');
}

async function readMapping(commit: Commit, path: string, key: string): Promise<z.infer<typeof mapping>> {
  const bytes = await readProjectFile(commit, path);
  if (bytes === undefined)
    throw new UserError(
      `trainyard.yml names ${path} as ${key}, and the commit has no such file in ${commit.project}`,
    );
  // JSON is YAML, so one reader gives both files their places in errors.
  return parseYaml(posix.join(commit.project, path), bytes.toString('utf8'), mapping).value;
}
