import { dirname, posix } from 'node:path';
import { UserError } from '../lib/errors.ts';
import { type Commit, readProjectFile } from './commit.ts';
import { type Project, projectSchema } from './project.ts';
import { parseYaml, type YamlFile } from './yaml.ts';

const FILE = 'trainyard.yml';

/** Reads `trainyard.yml` of the project from the commit. */
export async function readProject(commit: Commit): Promise<YamlFile<Project>> {
  const path = posix.join(commit.project, FILE);
  const bytes = await readProjectFile(commit, FILE);
  if (bytes !== undefined) return parseYaml(path, bytes.toString('utf8'), projectSchema);
  const others = [...commit.files.keys()]
    .filter((file) => posix.basename(file) === FILE)
    .map((file) => dirname(file));
  const hint =
    others.length === 0
      ? 'Write one (the README shows a short one), and commit it'
      : `This commit has projects in: ${others.join(', ')}; give one of them as input project`;
  throw new UserError(`commit ${commit.id.slice(0, 12)} has no ${path}. ${hint}`);
}
