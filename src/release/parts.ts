import type { Digest } from '../lib/digest.ts';
import { byBytes } from '../lib/json.ts';
import type { Stored } from '../records/kind.ts';
import { type ModelConfig, modelPackage, type PackageFacts, packageFacts } from '../records/package.ts';
import { type ReleaseConfig, release } from '../records/release.ts';
import { type RunConfig, run } from '../records/run.ts';
import { source } from '../records/source.ts';
import { findRecord, getManifest, readConfig } from '../store/records.ts';
import type { Store } from '../store/store.ts';

/** A package, and the Run that made its model where the store still has it. */
export interface Model {
  readonly package: Stored<ModelConfig>;
  readonly facts: PackageFacts;
  readonly run: Stored<RunConfig> | undefined;
}

/** A release as people compare it with another. */
export interface Parts extends Model {
  readonly release: Stored<ReleaseConfig>;
  /** The commits that its configuration came from, as far as they are known. */
  readonly commits: readonly string[];
}

/** Reads what a release stands on; undefined when the store no longer has it. */
export async function readParts(store: Store, digest: Digest): Promise<Parts | undefined> {
  const found = await findRecord(store, release, digest);
  const packaged =
    found?.manifest.subject && (await findRecord(store, modelPackage, found.manifest.subject.digest));
  if (found === undefined || packaged === undefined) return undefined;
  return { release: found, ...(await modelOf(store, packaged)), commits: await commitsOf(store, digest) };
}

/** What is known of a package's model. */
export async function modelOf(store: Store, packaged: Stored<ModelConfig>): Promise<Model> {
  const { subject } = packaged.manifest;
  return {
    package: packaged,
    facts: packageFacts(packaged.manifest),
    run: subject && (await findRecord(store, run, subject.digest)),
  };
}

async function commitsOf(store: Store, digest: Digest): Promise<string[]> {
  const commits = new Set<string>();
  for (const child of await store.children(digest)) {
    const found = await getManifest(store, child);
    if (found?.manifest.artifactType === source.artifactType)
      commits.add((await readConfig(store, source, child, found.manifest)).commit);
  }
  return [...commits].sort(byBytes);
}
