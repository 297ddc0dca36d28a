import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  type Blob,
  type Digest,
  differs,
  digestOf,
  digestOfFile,
  hexOf,
  VerifyingStream,
} from '../lib/digest.ts';
import { isDiskFull } from '../lib/disk-full.ts';
import { codeOf, MachineError, UserError } from '../lib/errors.ts';
import { IMAGE_INDEX, manifestOf, mediaTypeOf, subjectIn } from '../records/oci.ts';
import { type LayoutFolder, makeLayout } from './layout-folder.ts';
import { LayoutIndex } from './layout-index.ts';
import { confirmPresence, removeFrom } from './layout-remove.ts';
import { repairLayout } from './layout-repair.ts';
import { type Blobs, receiveBlob, writeBlob } from './layout-write.ts';
import type { Content, Removed, Store } from './store.ts';

/** Manifests are read into memory, and somebody may give the digest of a model's file for a record's. */
const LARGEST_MANIFEST = 64 * 2 ** 20;

/** A folder in the form of an OCI image layout 1.0.0; safe with several writers at once, on one machine or a shared disk. */
export class LayoutStore implements Store {
  readonly location: string;
  readonly #root: string;
  readonly #index: LayoutIndex;
  /** What manifests name as their subject; a manifest never changes, so each is read once. */
  readonly #subjects = new Map<Digest, Digest | undefined>();
  /** What this process was told is here, and counts on. */
  readonly #counted = new Set<Digest>();

  /** `root` need not exist: the first write makes it. `location` is what messages call it. */
  constructor(root: string, location = root) {
    this.#root = root;
    this.location = location;
    this.#index = new LayoutIndex(root);
  }

  pathOf(digest: Digest): string {
    return join(this.#root, 'blobs', 'sha256', hexOf(digest));
  }

  async has(digest: Digest): Promise<boolean> {
    const isHere = await access(this.pathOf(digest)).then(
      () => true,
      () => false,
    );
    if (isHere) this.#counted.add(digest);
    return isHere;
  }

  /** Removes a blob whose bytes differ from its digest, so that it can be written again; says whether it did. */
  async dropDamaged(digest: Digest): Promise<boolean> {
    if (!(await this.has(digest)) || (await digestOfFile(this.pathOf(digest))).digest === digest)
      return false;
    await rm(this.pathOf(digest));
    this.#counted.delete(digest);
    return true;
  }

  async read(digest: Digest): Promise<Readable> {
    if (!(await this.has(digest))) throw new UserError(`${this.location}: there is no blob ${digest}`);
    const path = this.pathOf(digest);
    const verified = new VerifyingStream(digest, path);
    // Small records are many, and a buffer for each that is too large keeps the collector of garbage busy.
    const { size } = await stat(path);
    const highWaterMark = Math.min(1 << 20, size + 1);
    // The reader sees the failure on the stream that it holds.
    pipeline(createReadStream(path, { highWaterMark }), verified).catch(() => {});
    return verified;
  }

  async write(content: Content, expected?: Digest): Promise<Blob> {
    return this.#onDisk(async () => {
      const blob = await writeBlob(await this.#blobs(), content, expected);
      this.#counted.add(blob.digest);
      return blob;
    });
  }

  async put(manifest: Uint8Array, names: readonly string[]): Promise<Digest> {
    const { digest } = await this.write({ bytes: manifest });
    const mediaType = mediaTypeOf(manifest, this.location);
    const artifactType =
      mediaType === IMAGE_INDEX ? undefined : manifestOf(manifest, this.location).artifactType;
    const entry = { mediaType, digest, size: manifest.length, artifactType };
    await this.#onDisk(() => this.#index.add(entry, names));
    await confirmPresence(this.#folder, digest, manifest, this.#counted);
    return digest;
  }

  async get(digest: Digest): Promise<Uint8Array | undefined> {
    const path = this.pathOf(digest);
    const size = (await stat(path).catch(ifAbsent))?.size ?? 0;
    if (size > LARGEST_MANIFEST)
      throw new UserError(
        `${this.location}: ${digest} has ${size} bytes, and no record has so many; it may be a file in one`,
      );
    const bytes = await readFile(path).catch(ifAbsent);
    if (bytes === undefined) return undefined;
    const found = digestOf(bytes);
    if (found !== digest) throw differs(path, digest, found);
    this.#counted.add(digest);
    return bytes;
  }

  async children(digest: Digest): Promise<readonly Digest[]> {
    const found: Digest[] = [];
    for (const candidate of new Set((await this.#index.names('')).values()))
      if ((await this.#subjectOf(candidate)) === digest) found.push(candidate);
    return found;
  }

  async peek(digest: Digest, offset: number, length: number): Promise<Buffer> {
    const file = await open(this.pathOf(digest), 'r').catch(ifAbsent);
    if (file === undefined) throw new UserError(`${this.location}: there is no blob ${digest}`);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  names(prefix: string): Promise<ReadonlyMap<string, Digest>> {
    return this.#index.names(prefix);
  }

  async resolve(name: string): Promise<Digest | undefined> {
    return (await this.#index.names(name)).get(name);
  }

  /** From another folder by a link, from a registry as a file; verified. */
  async take(from: Store, blob: Blob): Promise<boolean> {
    const file = from.pathOf?.(blob.digest);
    if (file !== undefined && (await from.has(blob.digest))) {
      await this.write({ file, how: 'link' }, blob.digest);
      return true;
    }
    const isTaken = await this.#onDisk(async () => receiveBlob(await this.#blobs(), from, blob));
    if (isTaken) this.#counted.add(blob.digest);
    return isTaken;
  }

  async scratch(): Promise<string> {
    await makeLayout(this.#root, this.location);
    const folder = join(this.#root, 'tmp', randomBytes(8).toString('hex'));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  }

  namedAt(): Promise<ReadonlyMap<string, number>> {
    return this.#index.times();
  }

  remove(digests: ReadonlySet<Digest>, now = Date.now()): Promise<Removed> {
    return removeFrom(this.#folder, digests, (digest) => this.get(digest), now);
  }

  repair(now = Date.now()): Promise<readonly string[]> {
    return repairLayout(this.#folder, now);
  }

  get #folder(): LayoutFolder {
    return { root: this.#root, location: this.location, index: this.#index };
  }

  async #subjectOf(digest: Digest): Promise<Digest | undefined> {
    if (this.#subjects.has(digest)) return this.#subjects.get(digest);
    const manifest = await this.get(digest);
    const subject = manifest && subjectIn(manifest);
    if (manifest !== undefined) this.#subjects.set(digest, subject);
    return subject;
  }

  async #blobs(): Promise<Blobs> {
    await makeLayout(this.#root, this.location);
    return { location: this.location, folder: join(this.#root, 'blobs', 'sha256') };
  }

  /** Names the store where the system names no file. */
  async #onDisk<T>(write: () => Promise<T>): Promise<T> {
    return write().catch((error: unknown) => {
      if (!isDiskFull(error)) throw error;
      throw new MachineError(
        `the store in ${this.#root} cannot be written to; make room on its disk, and run this again`,
        { cause: error },
      );
    });
  }
}

function ifAbsent(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined;
  throw error;
}
