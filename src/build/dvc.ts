import { posix } from 'node:path';
import { z } from 'zod';
import { UserError } from '../lib/errors.ts';
import { digestOfJson } from '../lib/json.ts';
import type { DataReference } from '../records/program.ts';
import { type Commit, readProjectFile } from '../source/commit.ts';
import type { DataSource } from '../source/data.ts';
import { parseYaml } from '../source/yaml.ts';
import { remoteOf } from './dvc-config.ts';

type DvcReference = Extract<DataReference, { dvc: string }>;

const out = z.looseObject({
  path: z.string(),
  md5: z
    .string()
    .regex(/^[0-9a-f]{32}(\.dir)?$/, 'an MD5 as DVC writes it')
    .optional(),
  size: z.int().nonnegative().optional(),
  remote: z.string().optional(),
});
const outs = z.array(out).default([]);
const pointer = z.looseObject({ outs });
const lock = z.looseObject({ stages: z.record(z.string(), z.looseObject({ outs })).default({}) });

/**
 * Reads from the commit which data a file of DVC stands for, and where the project keeps them.
 * @throws UserError when the commit has no such file, or it has no such out, or that has no MD5
 */
export async function pinDvc(
  commit: Commit,
  { dvc, out: wanted }: Extract<DataSource, { dvc: string }>,
): Promise<DvcReference> {
  const bytes = await readProjectFile(commit, dvc);
  const full = posix.join(commit.project, dvc);
  if (bytes === undefined)
    throw new UserError(
      `the commit has no ${full}; run \`dvc add\` or \`dvc repro\`, and commit what it writes`,
    );
  const found = outsOf(full, bytes.toString('utf8'));
  const names = found.map(({ path }) => path).join(', ');
  const chosen = wanted === undefined ? found : found.filter(({ path }) => path === wanted);
  const [only] = chosen;
  if (only === undefined)
    throw new UserError(
      wanted === undefined
        ? `${full} has no outs`
        : `${full} has no out ${wanted}; it has ${names || 'none'}, and out must be written as it is there`,
    );
  if (chosen.length > 1) throw new UserError(`${full} has several outs; say which one: out: ${names}`);
  const { path, md5, size } = only;
  if (md5 === undefined)
    throw new UserError(
      `${full} has no md5 for ${path}: DVC leaves it out where a remote keeps versions (version_aware, worktree), and until \`dvc commit\``,
    );
  const remote = await remoteOf(commit, posix.dirname(full), only.remote);
  return {
    dvc,
    out: path,
    md5,
    ...(size !== undefined && { size }),
    ...(remote !== undefined && { remote }),
    digest: digestOfJson({ md5 }),
  };
}

function outsOf(file: string, text: string): z.output<typeof outs> {
  if (file.endsWith('.dvc')) return parseYaml(file, text, pointer).value.outs;
  return Object.values(parseYaml(file, text, lock).value.stages).flatMap((stage) => stage.outs);
}
