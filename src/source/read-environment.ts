import { posix } from 'node:path';
import { UserError } from '../lib/errors.ts';
import { environmentName } from '../records/names.ts';
import { type Commit, readProjectFile } from './commit.ts';
import { type EnvironmentFile, environmentSchema, laidSchema } from './environment.ts';
import { layEnvironments, type Overlaid } from './lay-environments.ts';
import { checkYaml, valueAt, type YamlFile } from './yaml.ts';
import { openYaml, type YamlSource } from './yaml-source.ts';

/** An environment's file with those that it extends. */
export interface Environment extends YamlFile<EnvironmentFile> {
  /** What of a base has no effect here. */
  readonly overlaid: readonly Overlaid[];
}

/**
 * Reads `environments/NAME.yml` of the project from the commit, laid over the files that it extends.
 * @throws UserError with every mistake of all these files
 */
export async function readEnvironment(commit: Commit, environment: string): Promise<Environment> {
  const parsed = environmentName.safeParse(environment);
  if (!parsed.success)
    throw new UserError(
      `input environment is ${JSON.stringify(environment)}: ${parsed.error.issues[0]?.message}`,
    );
  const [top, ...below] = await readChain(commit, environment);
  const laid = layEnvironments(top, below);
  return { ...checkYaml(laid, laidSchema), overlaid: laid.overlaid };
}

/** Whether the commit has the file of an environment. */
export function hasEnvironment(commit: Commit, environment: string): boolean {
  return commit.files.has(pathOf(commit, environment));
}

/** The environment's file, then the one that it extends, and so on. */
async function readChain(commit: Commit, environment: string): Promise<[YamlSource, ...YamlSource[]]> {
  const names = [environment];
  const chain: [YamlSource, ...YamlSource[]] = [await readOne(commit, environment, 'input environment')];
  for (let file: YamlSource = chain[0]; ; ) {
    const base = environmentSchema.shape.extends.safeParse(valueAt(file.value, ['extends'])).data;
    // A name that is none is told with all other mistakes.
    if (base === undefined) return chain;
    const place = `${file.place(['extends'])}: extends`;
    names.push(base);
    if (names.indexOf(base) < names.length - 1)
      throw new UserError(`${place} goes round in a circle: ${names.join(' → ')}; end it in one of them`);
    file = await readOne(commit, base, place);
    chain.push(file);
  }
}

async function readOne(commit: Commit, environment: string, place: string): Promise<YamlSource> {
  const path = pathOf(commit, environment);
  const bytes = await readProjectFile(commit, `environments/${environment}.yml`);
  if (bytes !== undefined) return openYaml(path, bytes.toString('utf8'));
  const others = [...commit.files.keys()]
    .filter((file) => posix.dirname(file) === posix.dirname(path))
    .map((file) => posix.basename(file, '.yml'));
  throw new UserError(
    `${place} is ${environment}, and the commit has no ${path}; it has ${others.join(', ') || 'none'}`,
  );
}

function pathOf(commit: Commit, environment: string): string {
  return posix.join(commit.project, 'environments', `${environment}.yml`);
}
