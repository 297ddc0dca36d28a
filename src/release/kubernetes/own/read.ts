import { posix } from 'node:path';
import { messageOf, UserError } from '../../../lib/errors.ts';
import { json } from '../../../lib/json.ts';
import type { Commit } from '../../../source/commit.ts';
import { refusalOf } from '../../../source/commit-file.ts';
import { openManifests } from '../../../source/yaml-source.ts';
import { kustomize } from './kustomize.ts';
import { isKustomization } from './kustomize-files.ts';
import type { Manifests } from './written.ts';

/**
 * Reads the manifests of a folder of the commit: its own YAML and JSON files (as `kubectl apply -f` takes them), or what kustomize
 * makes of it.
 * @param folder in the repository
 * @param scratch gives a new empty folder, which is removed here
 */
export async function readManifests(
  commit: Commit,
  folder: string,
  scratch: () => Promise<string>,
): Promise<Manifests> {
  const files = [...commit.files.values()].filter(({ path }) => posix.dirname(path) === folder);
  const kustomization = files.find(({ path }) => isKustomization(path));
  if (kustomization !== undefined) return kustomize(commit, kustomization, scratch);
  const manifests = files.filter(({ path }) => /\.(ya?ml|json)$/.test(path));
  if (manifests.length === 0) {
    const others = new Set(
      [...commit.files.keys()]
        .filter(
          (path) =>
            /\.ya?ml$/.test(path) && path.startsWith(commit.project === '.' ? '' : `${commit.project}/`),
        )
        .map((path) => posix.relative(commit.project, posix.dirname(path)))
        .filter(Boolean),
    );
    return {
      documents: [],
      problems: [
        `${folder} holds no manifest (*.yaml, *.yml, *.json) and no kustomization in this commit; folders of the project with YAML files are ${[...others].join(', ') || 'none'}`,
      ],
    };
  }
  const refusals = manifests.flatMap((file) => refusalOf(file) ?? []);
  if (refusals.length > 0) return { documents: [], problems: refusals };
  const contents = await commit.read(manifests);
  const read = manifests.map(({ path }, index) => parse(path, contents[index]?.toString('utf8') ?? ''));
  return { documents: read.flatMap((one) => one.documents), problems: read.flatMap((one) => one.problems) };
}

function parse(file: string, text: string): Manifests {
  try {
    const opened = openManifests(file, text);
    const bad = opened.filter(({ value }) => !json.safeParse(value).success);
    return {
      documents: opened.flatMap(({ value, place }) => {
        const parsed = json.safeParse(value);
        return parsed.success ? [{ value: parsed.data, place }] : [];
      }),
      problems: bad.map(({ place }) => `${place([])}: holds a value that JSON has no form for`),
    };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const hint = /reserved character @/.test(error.message)
      ? '. Put placeholders that begin a value into quotes'
      : '';
    return { documents: [], problems: [messageOf(error) + hint] };
  }
}
