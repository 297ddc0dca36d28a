import { posix } from 'node:path';
import { UserError } from '../lib/errors.ts';
import { environmentName } from '../records/names.ts';
import { type Commit, readProjectFile } from './commit.ts';
import { type EnvironmentFile, environmentSchema } from './environment.ts';
import { parseYaml, type YamlFile } from './yaml.ts';

/** Reads `environments/NAME.yml` of the project from the commit. */
export async function readEnvironment(
  commit: Commit,
  environment: string,
): Promise<YamlFile<EnvironmentFile>> {
  const parsed = environmentName.safeParse(environment);
  if (!parsed.success)
    throw new UserError(
      `input environment is ${JSON.stringify(environment)}: ${parsed.error.issues[0]?.message}`,
    );
  const path = `environments/${environment}.yml`;
  const bytes = await readProjectFile(commit, path);
  if (bytes !== undefined)
    return parseYaml(posix.join(commit.project, path), bytes.toString('utf8'), environmentSchema);
  const folder = posix.join(commit.project, 'environments');
  const others = [...commit.files.keys()]
    .filter((file) => posix.dirname(file) === folder)
    .map((file) => posix.basename(file, '.yml'));
  throw new UserError(
    `input environment is ${environment}, and the commit has no ${posix.join(commit.project, path)}; it has ${others.join(', ') || 'none'}`,
  );
}
