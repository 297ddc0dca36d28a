import { posix } from 'node:path';
import { z } from 'zod';
import { UserError } from '../lib/errors.ts';
import { type JsonObject, json } from '../lib/json.ts';
import { type Commit, readProjectFile } from '../source/commit.ts';
import type { Project } from '../source/project.ts';
import { parseYaml, type YamlFile } from '../source/yaml.ts';

const mapping = z.record(z.string(), json, 'a mapping of names to values');

/** The declared parameters: written in `trainyard.yml`, or in a file that it names. */
export async function readParams(commit: Commit, file: YamlFile<Project>): Promise<JsonObject> {
  const { params } = file.value.trainer;
  return typeof params === 'string' ? readMapping(commit, params, file, ['trainer', 'params']) : params;
}

/** The JSON Schema of the environments' configuration, if there is one; release-config checks with it. */
export async function readConfigSchema(
  commit: Commit,
  file: YamlFile<Project>,
): Promise<z.infer<typeof mapping> | undefined> {
  const path = file.value.server?.config;
  return path === undefined ? undefined : readMapping(commit, path, file, ['server', 'config']);
}

async function readMapping(
  commit: Commit,
  path: string,
  file: YamlFile<Project>,
  key: readonly string[],
): Promise<z.infer<typeof mapping>> {
  const bytes = await readProjectFile(commit, path);
  const full = posix.join(commit.project, path);
  if (bytes === undefined)
    throw new UserError(`${file.place(key)}: ${key.join('.')} is ${path}, and the commit has no ${full}`);
  // JSON is YAML, so one reader gives both files their places in errors.
  return parseYaml(full, bytes.toString('utf8'), mapping).value;
}
