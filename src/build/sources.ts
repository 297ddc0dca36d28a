import { userErrors } from '../lib/errors.ts';
import type { Commit } from '../source/commit.ts';
import type { CommitFile } from '../source/commit-file.ts';
import type { Project } from '../source/project.ts';
import { selectFiles } from '../source/select.ts';
import type { YamlFile } from '../source/yaml.ts';

type Role = 'trainer' | 'server';
type Parts = { trainer: Project['trainer']; server: NonNullable<Project['server']> };

/** A part of `trainyard.yml` with the files that its `source` selects. */
export interface Selected<R extends Role> {
  readonly part: Parts[R];
  readonly files: readonly CommitFile[];
}

/** Selects the files of both programs; every pattern that cannot be used is named with its line. */
export function selectSources(
  commit: Commit,
  file: YamlFile<Project>,
): { trainer: Selected<'trainer'>; server: Selected<'server'> | undefined } {
  const problems: string[] = [];
  const select = <R extends Role>(role: R, part: Parts[R]): Selected<R> => {
    const selection = selectFiles(commit, part.source);
    problems.push(
      ...selection.problems.map(
        ({ pattern, message }) => `${file.place([role, 'source', pattern])}: ${message}`,
      ),
    );
    return { part, files: selection.files };
  };
  const { trainer, server } = file.value;
  const selected = { trainer: select('trainer', trainer), server: server && select('server', server) };
  if (problems.length > 0) throw userErrors('source cannot be packed', problems);
  return selected;
}
