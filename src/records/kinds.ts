import { checkpoint } from './checkpoint.ts';
import { dataSet } from './data.ts';
import { deployment } from './deployment.ts';
import type { KindName } from './kind.ts';
import { modelPackage } from './package.ts';
import { program } from './program.ts';
import { release } from './release.ts';
import { run } from './run.ts';
import { source } from './source.ts';

/** Every kind of record, for code that meets records of any kind. */
export const kinds = {
  program,
  source,
  run,
  package: modelPackage,
  release,
  deployment,
  data: dataSet,
  checkpoint,
};

/** The kind that an artifact type stands for; `newer` when it is one of ours in a version that this code does not know. */
export function kindOf(artifactType: string | undefined): KindName | 'newer' | undefined {
  const known = Object.values<{ name: KindName; artifactType: string }>(kinds).find(
    (kind) => kind.artifactType === artifactType,
  );
  if (known !== undefined) return known.name;
  return /^application\/vnd\.(trainyard\.[a-z]+|cncf\.model\.manifest)\.v\d+\+json$/.test(artifactType ?? '')
    ? 'newer'
    : undefined;
}
