import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Artifact } from '@actions/artifact';
import { type Blob, type Digest, hexOf } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { EMPTY, EMPTY_LAYER, type Manifest, manifestOf } from '../records/oci.ts';
import { retentionLimits } from './artifact-limits.ts';
import { type ArtifactName, layersName, recordName } from './artifact-names.ts';
import { ArtifactReader, type Found } from './artifact-reader.ts';
import { packRecord } from './artifact-record.ts';
import { RunArtifacts, type RunOptions } from './artifact-run.ts';
import { LayoutStore } from './layout.ts';
import { readBytes } from './records.ts';
import type { Content, Store } from './store.ts';

export interface ArtifactStoreOptions extends RunOptions {
  /** Of the step: ACTIONS_RUNTIME_TOKEN and ACTIONS_RESULTS_URL are needed, GITHUB_RETENTION_DAYS is told. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** An empty folder of this step, where contents are staged; it grows to the size of what is read and written. */
  readonly folder: string;
}

/** Opens the artifacts of this workflow run as a store. @throws UserError outside a job */
export function artifactStore(options: ArtifactStoreOptions): Store {
  const missing = ['ACTIONS_RUNTIME_TOKEN', 'ACTIONS_RESULTS_URL'].filter((name) => !options.env[name]);
  if (missing.length > 0) {
    throw new UserError(
      `artifact: works only in an action of a GitHub Actions job, and ${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} not set here; ` +
        'give a folder instead (./yard, or on a disk that all machines share)',
    );
  }
  return new ArtifactStore(options);
}

type Holders = Map<Digest, { artifact: Artifact; manifest: Manifest }[]>;

/**
 * A layout in the artifacts of one workflow run. Contents are staged in a folder until the record that lists them is
 * put; then they go into two artifacts: the layers first, then manifest and configuration as a layout of their own. So a
 * record that can be found is whole, and looking through records (names, children) downloads no model.
 */
class ArtifactStore implements Store {
  readonly location = 'artifact:';
  readonly limits: string;
  readonly #folder: string;
  readonly #staged: LayoutStore;
  readonly #run: RunArtifacts;
  readonly #reader: ArtifactReader;
  /** Which artifacts may hold a layer, and of which record; the oldest first, because later records do not repeat it. */
  #holders: Holders = new Map();
  #looking: Promise<void> | undefined;
  /** Layers that are known to lie in the run, and need no upload with another record. */
  readonly #uploaded = new Set<Digest>([EMPTY_LAYER.digest]);

  constructor({ env, folder, ...options }: ArtifactStoreOptions) {
    this.#folder = folder;
    this.#staged = new LayoutStore(folder, this.location);
    this.#run = new RunArtifacts(options);
    this.#reader = new ArtifactReader(this.#run, this.#staged);
    this.limits = retentionLimits(env.GITHUB_RETENTION_DAYS);
  }

  async has(digest: Digest): Promise<boolean> {
    // Known to everyone, so it is never uploaded.
    if (digest === EMPTY_LAYER.digest) await this.#staged.write({ bytes: EMPTY });
    const isKnown = async (): Promise<boolean> =>
      (await this.#staged.has(digest)) || this.#holders.has(digest);
    if (await isKnown()) return true;
    // Whoever asks meanwhile waits for the same answer.
    this.#looking ??= this.#lookThrough().finally(() => {
      this.#looking = undefined;
    });
    await this.#looking;
    return isKnown();
  }

  async read(digest: Digest): Promise<Readable> {
    await this.#stage(digest);
    return this.#staged.read(digest);
  }

  /** Downloads what holds a blob, unless it is here; a damaged artifact counts only where no other holds it. */
  async #stage(digest: Digest): Promise<void> {
    await this.has(digest);
    let damage: UserError | undefined;
    for (const { artifact, manifest } of this.#holders.get(digest) ?? []) {
      if (await this.#staged.has(digest)) return;
      const found = await this.#fetchLayers(artifact, manifest);
      if (found instanceof UserError) damage ??= found;
    }
    if (damage !== undefined && !(await this.#staged.has(digest))) throw damage;
  }

  async peek(digest: Digest, offset: number, length: number): Promise<Buffer> {
    await this.#stage(digest);
    return this.#staged.peek(digest, offset, length);
  }

  write(content: Content, expected?: Digest): Promise<Blob> {
    return this.#staged.write(content, expected);
  }

  async put(bytes: Uint8Array, names: readonly string[]): Promise<Digest> {
    const { digest } = await this.#staged.write({ bytes });
    const manifest = manifestOf(bytes, this.location);
    for (const tag of names) {
      await this.#uploadLayers(tag, manifest);
      await this.#uploadRecord({ tag, digest, manifest }, bytes);
    }
    return digest;
  }

  async get(digest: Digest): Promise<Uint8Array | undefined> {
    if (!(await this.#staged.has(digest))) {
      await this.#records(({ tag }) => tag.endsWith(`-${hexOf(digest, 12)}`));
    }
    return this.#staged.get(digest);
  }

  async children(digest: Digest): Promise<readonly Digest[]> {
    const found = await this.#records(({ subject }) => subject === hexOf(digest, 12));
    const children = found.filter(({ manifest }) => manifest.subject?.digest === digest);
    return [...new Set(children.map((child) => child.digest))];
  }

  async names(prefix: string): Promise<ReadonlyMap<string, Digest>> {
    const found = await this.#records(({ tag }) => tag.startsWith(prefix));
    return new Map(found.map(({ tag, digest }) => [tag, digest]));
  }

  async resolve(name: string): Promise<Digest | undefined> {
    return (await this.#records(({ tag }) => tag === name)).at(-1)?.digest;
  }

  take(from: Store, blob: Blob): Promise<boolean> {
    return this.#staged.take(from, blob);
  }

  scratch(): Promise<string> {
    return this.#staged.scratch();
  }

  async #records(isWanted: (name: ArtifactName) => boolean): Promise<readonly Found[]> {
    return this.#reader.records(await this.#reader.list(), isWanted);
  }

  async #fetchLayers(artifact: Artifact, manifest: Manifest): Promise<ReadonlySet<Digest> | UserError> {
    const found = await this.#reader.layers(artifact, manifest);
    if (!(found instanceof UserError)) for (const digest of found) this.#uploaded.add(digest);
    return found;
  }

  /** Learns which layers lie in the run, and stages the manifests and configurations of all its records. */
  async #lookThrough(): Promise<void> {
    const artifacts = await this.#reader.list();
    const layers = artifacts.filter(({ holds }) => holds === 'layers');
    const holders: Holders = new Map();
    for (const { tag, manifest } of await this.#reader.records(artifacts, () => true)) {
      const places = layers
        .filter((place) => place.tag === tag)
        .map(({ artifact }) => ({ artifact, manifest }));
      if (places.length === 0) continue;
      for (const { digest } of manifest.layers)
        holders.set(digest, [...(holders.get(digest) ?? []), ...places]);
    }
    // All at once: others ask meanwhile.
    this.#holders = holders;
  }

  /** Uploads those layers that are staged and not in the run yet; a layer that is neither is known to be elsewhere. */
  async #uploadLayers(tag: string, manifest: Manifest): Promise<void> {
    const missing = new Set<Digest>();
    for (const { digest } of manifest.layers)
      if (!this.#uploaded.has(digest) && (await this.#staged.has(digest))) missing.add(digest);
    if (missing.size === 0) return;
    const files = [...missing].map((digest) => this.#staged.pathOf(digest));
    await this.#run.upload(layersName(tag), files, this.#folder, async (taken) => {
      const found = await this.#fetchLayers(taken, manifest);
      return !(found instanceof UserError) && [...missing].every((digest) => found.has(digest));
    });
    for (const digest of missing) this.#uploaded.add(digest);
  }

  async #uploadRecord(found: Found, bytes: Uint8Array): Promise<void> {
    const { tag, digest, manifest } = found;
    const config = await readBytes(this.#staged, manifest.config.digest);
    const folder = await this.#staged.scratch();
    try {
      const files = await packRecord(folder, tag, { digest, manifest, bytes, config });
      const name = recordName(tag, manifest.subject?.digest);
      const id = await this.#run.upload(name, files, folder, async (taken) => {
        const record = await this.#reader.record(taken, tag);
        return !(record instanceof UserError) && record.digest === digest;
      });
      this.#reader.know(id, found);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}
