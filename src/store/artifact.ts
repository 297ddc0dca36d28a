import { rm } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Artifact } from '@actions/artifact';
import { type Blob, type Digest, hexOf } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { EMPTY, EMPTY_LAYER, type Manifest, manifestOf } from '../records/oci.ts';
import { layerLimits, RECORD_LIMITS, retentionLimits } from './artifact-limits.ts';
import { type ArtifactName, layersName, parseArtifactName, recordName } from './artifact-names.ts';
import { packRecord, unpackRecord } from './artifact-record.ts';
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

/** How many records are downloaded at a time. */
const AT_ONCE = 8;

/** A record that was found in the run: verified and staged. */
interface Found {
  readonly tag: string;
  readonly digest: Digest;
  readonly manifest: Manifest;
}

/** An artifact of ours in the run. */
interface Listed extends ArtifactName {
  readonly artifact: Artifact;
}

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
  /** By the artifact's id, which never stands for other bytes. */
  readonly #found = new Map<number, Found>();
  /** Which artifacts may hold a layer, and of which record; the oldest first, because later records do not repeat it. */
  #holders = new Map<Digest, { artifact: Artifact; manifest: Manifest }[]>();
  /** Layers that are known to lie in the run, and need no upload with another record. */
  readonly #uploaded = new Set<Digest>([EMPTY_LAYER.digest]);

  constructor({ env, folder, ...options }: ArtifactStoreOptions) {
    this.#folder = folder;
    this.#staged = new LayoutStore(folder, this.location);
    this.#run = new RunArtifacts(options);
    this.limits = retentionLimits(env.GITHUB_RETENTION_DAYS);
  }

  async has(digest: Digest): Promise<boolean> {
    // Known to everyone, so it is never uploaded.
    if (digest === EMPTY_LAYER.digest) await this.#staged.write({ bytes: EMPTY });
    const isKnown = async (): Promise<boolean> =>
      (await this.#staged.has(digest)) || this.#holders.has(digest);
    if (await isKnown()) return true;
    await this.#lookThrough();
    return isKnown();
  }

  async read(digest: Digest): Promise<Readable> {
    await this.#stage(digest);
    return this.#staged.read(digest);
  }

  /** Downloads what holds a blob, unless it is here. */
  async #stage(digest: Digest): Promise<void> {
    await this.has(digest);
    for (const { artifact, manifest } of this.#holders.get(digest) ?? []) {
      if (await this.#staged.has(digest)) break;
      await this.#fetchLayers(artifact, manifest);
    }
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
      await this.#records(await this.#list(), ({ tag }) => tag.endsWith(`-${hexOf(digest, 12)}`));
    }
    return this.#staged.get(digest);
  }

  async children(digest: Digest): Promise<readonly Digest[]> {
    const found = await this.#records(await this.#list(), ({ subject }) => subject === hexOf(digest, 12));
    const children = found.filter(({ manifest }) => manifest.subject?.digest === digest);
    return [...new Set(children.map((child) => child.digest))];
  }

  async names(prefix: string): Promise<ReadonlyMap<string, Digest>> {
    const found = await this.#records(await this.#list(), ({ tag }) => tag.startsWith(prefix));
    return new Map(found.map(({ tag, digest }) => [tag, digest]));
  }

  async resolve(name: string): Promise<Digest | undefined> {
    return (await this.names(name)).get(name);
  }

  take(from: Store, digest: Digest): Promise<boolean> {
    return this.#staged.take(from, digest);
  }

  scratch(): Promise<string> {
    return this.#staged.scratch();
  }

  async #list(): Promise<readonly Listed[]> {
    return (await this.#run.list()).flatMap((artifact) => {
      const name = parseArtifactName(artifact.name);
      return name === undefined ? [] : [{ ...name, artifact }];
    });
  }

  /** The records among artifacts, the oldest first; a damaged one counts only where no other has its tag. */
  async #records(
    artifacts: readonly Listed[],
    isWanted: (name: ArtifactName) => boolean,
  ): Promise<readonly Found[]> {
    const wanted = artifacts.filter((name) => name.holds === 'record' && isWanted(name));
    const found: Found[] = [];
    const damaged: { tag: string; error: UserError }[] = [];
    for (let i = 0; i < wanted.length; i += AT_ONCE) {
      const some = wanted.slice(i, i + AT_ONCE).map(({ artifact, tag }) => this.#fetchRecord(artifact, tag));
      for (const record of await Promise.all(some)) {
        if ('digest' in record) found.push(record);
        else damaged.push(record);
      }
    }
    const alone = damaged.find(({ tag }) => !found.some((record) => record.tag === tag));
    if (alone !== undefined) throw alone.error;
    return found;
  }

  /** Learns which layers lie in the run, and stages the manifests and configurations of all its records. */
  async #lookThrough(): Promise<void> {
    const artifacts = await this.#list();
    const layers = artifacts.filter(({ holds }) => holds === 'layers');
    this.#holders = new Map();
    for (const { tag, manifest } of await this.#records(artifacts, () => true)) {
      const places = layers
        .filter((place) => place.tag === tag)
        .map(({ artifact }) => ({ artifact, manifest }));
      if (places.length === 0) continue;
      for (const { digest } of manifest.layers)
        this.#holders.set(digest, [...(this.#holders.get(digest) ?? []), ...places]);
    }
  }

  async #fetchRecord(artifact: Artifact, tag: string): Promise<Found | { tag: string; error: UserError }> {
    const known = this.#found.get(artifact.id);
    if (known !== undefined) return known;
    const folder = await this.#staged.scratch();
    try {
      const record = await this.#run.download(artifact, folder, RECORD_LIMITS, (files) =>
        unpackRecord(files, tag),
      );
      const found = { tag, digest: record.digest, manifest: record.manifest };
      for (const bytes of [record.config, record.bytes]) await this.#staged.write({ bytes });
      this.#found.set(artifact.id, found);
      return found;
    } catch (error) {
      if (error instanceof UserError) return { tag, error };
      throw error;
    }
  }

  async #fetchLayers(artifact: Artifact, manifest: Manifest): Promise<void> {
    const folder = await this.#staged.scratch();
    await this.#run.download(artifact, folder, layerLimits(manifest), async (files) => {
      const inside = new LayoutStore(files);
      for (const { digest } of manifest.layers) {
        if (!(await inside.has(digest))) continue;
        await this.#staged.write({ file: inside.pathOf(digest), how: 'move' }, digest);
        this.#uploaded.add(digest);
      }
    });
  }

  /** Uploads those layers that are staged and not in the run yet; a layer that is neither is known to be elsewhere. */
  async #uploadLayers(tag: string, { layers }: Manifest): Promise<void> {
    const missing = new Set<Digest>();
    for (const { digest } of layers)
      if (!this.#uploaded.has(digest) && (await this.#staged.has(digest))) missing.add(digest);
    if (missing.size === 0) return;
    const files = [...missing].map((digest) => this.#staged.pathOf(digest));
    await this.#run.upload(layersName(tag), files, this.#folder, async () => true);
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
        const record = await this.#fetchRecord(taken, tag);
        return 'digest' in record && record.digest === digest;
      });
      this.#found.set(id, found);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}
