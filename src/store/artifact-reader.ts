import type { Artifact } from '@actions/artifact';
import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { inParallel } from '../lib/in-parallel.ts';
import type { Manifest } from '../records/oci.ts';
import { layerLimits, RECORD_LIMITS } from './artifact-limits.ts';
import { type ArtifactName, parseArtifactName } from './artifact-names.ts';
import { unpackRecord } from './artifact-record.ts';
import type { RunArtifacts } from './artifact-run.ts';
import { LayoutStore } from './layout.ts';
import { AT_ONCE } from './store.ts';

/** A record that was found in the run: verified and staged. */
export interface Found {
  readonly tag: string;
  readonly digest: Digest;
  readonly manifest: Manifest;
}

/** An artifact of ours in the run. */
export interface Listed extends ArtifactName {
  readonly artifact: Artifact;
}

/** Brings records and layers of a workflow run into a folder, verified. */
export class ArtifactReader {
  readonly #run: RunArtifacts;
  readonly #staged: LayoutStore;
  /** By the artifact's id, which never stands for other bytes. */
  readonly #found = new Map<number, Found>();
  /** Layers that are being downloaded, by their artifact's id: whoever wants one of them waits for all. */
  readonly #arriving = new Map<number, Promise<ReadonlySet<Digest> | UserError>>();

  constructor(run: RunArtifacts, staged: LayoutStore) {
    this.#run = run;
    this.#staged = staged;
  }

  /** All artifacts of ours, oldest first. */
  async list(): Promise<readonly Listed[]> {
    return (await this.#run.list()).flatMap((artifact) => {
      const name = parseArtifactName(artifact.name);
      return name === undefined ? [] : [{ ...name, artifact }];
    });
  }

  /** The records among artifacts, the oldest first; a damaged one counts only where no other has its tag. */
  async records(
    artifacts: readonly Listed[],
    isWanted: (name: ArtifactName) => boolean,
  ): Promise<readonly Found[]> {
    const wanted = artifacts.filter((name) => name.holds === 'record' && isWanted(name));
    const found: Found[] = [];
    const damaged: { tag: string; error: UserError }[] = [];
    for (let i = 0; i < wanted.length; i += AT_ONCE) {
      const some = wanted.slice(i, i + AT_ONCE);
      const records = await Promise.all(some.map(({ artifact, tag }) => this.record(artifact, tag)));
      records.forEach((record, j) => {
        if (!(record instanceof UserError)) found.push(record);
        else damaged.push({ tag: some[j]?.tag ?? '', error: record });
      });
    }
    const alone = damaged.find(({ tag }) => !found.some((record) => record.tag === tag));
    if (alone !== undefined) throw alone.error;
    return found;
  }

  /** Stages manifest and configuration of the record that an artifact holds; or says what is wrong with it. */
  async record(artifact: Artifact, tag: string): Promise<Found | UserError> {
    const known = this.#found.get(artifact.id);
    if (known !== undefined) return known;
    const folder = await this.#staged.scratch();
    const record = await this.#run
      .download(artifact, folder, RECORD_LIMITS, (files) => unpackRecord(files, tag))
      .catch(orUserError);
    if (record instanceof UserError) return record;
    for (const bytes of [record.config, record.bytes]) await this.#staged.write({ bytes });
    return this.know(artifact.id, { tag, digest: record.digest, manifest: record.manifest });
  }

  /** Remembers what an artifact holds. */
  know(artifact: number, found: Found): Found {
    this.#found.set(artifact, found);
    return found;
  }

  /** Stages the layers of a record that an artifact holds, and says which; or what is wrong with it. */
  async layers(artifact: Artifact, manifest: Manifest): Promise<ReadonlySet<Digest> | UserError> {
    const arriving = this.#arriving.get(artifact.id) ?? this.#download(artifact, manifest);
    this.#arriving.set(artifact.id, arriving);
    return arriving.finally(() => this.#arriving.delete(artifact.id));
  }

  async #download(artifact: Artifact, manifest: Manifest): Promise<ReadonlySet<Digest> | UserError> {
    const folder = await this.#staged.scratch();
    const found = new Set<Digest>();
    const taken = this.#run.download(artifact, folder, layerLimits(manifest), async (files) => {
      const inside = new LayoutStore(files);
      await inParallel([...new Set(manifest.layers.map(({ digest }) => digest))], AT_ONCE, async (digest) => {
        if (!(await inside.has(digest))) return;
        await this.#staged.write({ file: inside.pathOf(digest), how: 'move' }, digest);
        found.add(digest);
      });
      return found;
    });
    return taken.catch(orUserError);
  }
}

function orUserError(error: unknown): UserError {
  if (error instanceof UserError) return error;
  throw error;
}
