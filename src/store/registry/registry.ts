import { createReadStream } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import pLimit from 'p-limit';
import {
  type Blob,
  blobOf,
  type Digest,
  differs,
  digestOf,
  hexOf,
  VerifyingStream,
} from '../../lib/digest.ts';
import { UserError } from '../../lib/errors.ts';
import { hashFile } from '../../lib/hash-file.ts';
import type { Log } from '../../lib/log.ts';
import { Meter } from '../../lib/progress.ts';
import { bytesAt, countBytes, skipBytes } from '../../lib/streams.ts';
import { drop } from '../../lib/web-answer.ts';
import { manifestOf, mediaTypeOf, subjectIn } from '../../records/oci.ts';
import { LayoutStore } from '../layout.ts';
import type { Content, Removed, Store } from '../store.ts';
import { isBlobThere, mountBlob } from './blobs.ts';
import type { RegistryClient } from './client.ts';
import { fetchBlob } from './fetch.ts';
import { noteOn, refuseTooLarge } from './limits.ts';
import { Manifests } from './manifests.ts';
import { descriptorOf, isReferrerTag, Referrers } from './referrers.ts';
import { Tags } from './tags.ts';
import { type Sending, Upload } from './upload.ts';

/** More at a time make no transfer faster, and some registries slow such clients down. */
const UPLOADS = 4;

export interface RegistryOptions {
  readonly client: RegistryClient;
  /** As the user wrote it. */
  readonly location: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** A new empty folder of this machine. */
  readonly scratch: () => Promise<string>;
}

/**
 * One repository of an OCI registry as a store. There is no compare-and-swap, so nothing is ever decided by a tag that two could
 * write: every record has a tag of its own, and everything is read by digest.
 */
export class RegistryStore implements Store {
  readonly location: string;
  readonly limits?: string;
  readonly client: RegistryClient;
  readonly #manifests: Manifests;
  readonly #tags: Tags;
  readonly #referrers: Referrers;
  readonly #scratch: () => Promise<string>;
  readonly #signal: AbortSignal;
  readonly #pushed: Meter;
  readonly #pulled: Meter;
  readonly #uploads = pLimit(UPLOADS);
  /** Blobs that were seen here; nothing that a running job needs is removed meanwhile. */
  readonly #present = new Set<Digest>();

  constructor({ client, location, log, signal, scratch }: RegistryOptions) {
    this.location = location;
    const note = noteOn(client.reference.host);
    if (note !== undefined) this.limits = note;
    this.client = client;
    this.#manifests = new Manifests(client);
    this.#tags = new Tags(client, this.#manifests);
    this.#referrers = new Referrers(client, this.#manifests, this.#tags);
    this.#scratch = scratch;
    this.#signal = signal;
    this.#pushed = new Meter(log, `${location}: pushed`);
    this.#pulled = new Meter(log, `${location}: pulled`);
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.#hasBlob(digest)) || (await this.#manifests.get(digest)) !== undefined;
  }

  async read(digest: Digest): Promise<Readable> {
    const verified = new VerifyingStream(digest, `${this.location}: ${digest}`);
    const transfer = this.#pulled.start(undefined);
    const chunks = this.client.bytes(`the download of ${hexOf(digest, 12)}`, `blobs/${digest}`);
    // The reader sees the failure on the stream that it holds.
    pipeline(Readable.from(countBytes(chunks, transfer.moved)), verified)
      .catch(() => {})
      .finally(transfer.end);
    return verified;
  }

  async fetch(blob: Blob, file: string): Promise<boolean> {
    // Tells that it is there, and makes the client known to the registry.
    if (!(await this.#hasBlob(blob.digest)))
      throw new UserError(`${this.location}: there is no blob ${blob.digest}`);
    const progress = this.#pulled.start(blob.size);
    return fetchBlob(this.client, blob, file, { progress, signal: this.#signal }).finally(progress.end);
  }

  async peek(digest: Digest, offset: number, length: number): Promise<Buffer> {
    const what = `a look into ${hexOf(digest, 12)}`;
    const headers = { range: `bytes=${offset}-${offset + length - 1}` };
    return this.client.ask(what, { method: 'GET', path: `blobs/${digest}`, headers }, async (answer) => {
      if (answer.status === 416) return drop(answer).then(() => Buffer.alloc(0));
      await this.client.expect(what, answer, [200, 206]);
      return bytesAt(answer.body, answer.status === 206 ? 0 : offset, length);
    });
  }

  async write(content: Content, expected?: Digest): Promise<Blob> {
    if ('stream' in content) return this.#writeStream(content.stream, expected);
    if ('bytes' in content) {
      const { bytes } = content;
      const blob = { digest: digestOf(bytes), size: bytes.length };
      if (expected !== undefined && blob.digest !== expected)
        throw differs(this.location, expected, blob.digest);
      const open = async (offset: number): Promise<Readable> => Readable.from([bytes.subarray(offset)]);
      return this.#send({ ...blob, place: this.location, open });
    }
    if ('open' in content) {
      const { open, size } = content;
      if (expected === undefined) return this.#writeStream(await open(), undefined);
      return this.#send({
        digest: expected,
        size,
        place: `the source of ${expected}`,
        open: async (offset) => Readable.from(skipBytes(await open(), offset)),
      });
    }
    const { file, how, isGentle } = content;
    const blob = blobOf(await hashFile(file, { isGentle }));
    if (expected !== undefined && blob.digest !== expected) throw differs(file, expected, blob.digest);
    await this.#send(sendingOf(file, blob));
    if (how === 'move') await rm(file);
    return blob;
  }

  async put(bytes: Uint8Array, names: readonly string[]): Promise<Digest> {
    const digest = digestOf(bytes);
    const mediaType = mediaTypeOf(bytes, this.location);
    const subject = subjectIn(bytes);
    const isListed = subject === undefined || (await this.#referrers.areOffered(subject));
    // First what makes it found from its subject, then its own names, then what other tools look at.
    const tags = isListed ? names : [this.#referrers.tagOf(subject, digest), ...names];
    for (const tag of tags) {
      const { listsReferrers } = await this.#manifests.put(bytes, mediaType, tag);
      if (listsReferrers) this.#referrers.seeOffered();
    }
    if (!isListed && !(await this.#referrers.areOffered(subject)))
      await this.#referrers.add(subject, descriptorOf(bytes, manifestOf(bytes, this.location)));
    return digest;
  }

  get(digest: Digest): Promise<Uint8Array | undefined> {
    return this.#manifests.get(digest);
  }

  children(digest: Digest): Promise<readonly Digest[]> {
    return this.#referrers.of(digest);
  }

  async names(prefix: string): Promise<ReadonlyMap<string, Digest>> {
    const all = await this.#tags.withPrefix(prefix);
    return new Map([...all].filter(([tag]) => !isReferrerTag(tag)));
  }

  resolve(name: string): Promise<Digest | undefined> {
    return this.#tags.resolve(name);
  }

  /** Mounts a blob out of another repository of the same registry; nothing is moved then. */
  async take(from: Store, { digest }: Blob): Promise<boolean> {
    if (!(from instanceof RegistryStore) || from.client.base.origin !== this.client.base.origin)
      return this.#takeFile(from.pathOf?.(digest), digest);
    const isMounted = await mountBlob(this.client, from.client.reference.repository, digest);
    if (isMounted) this.#present.add(digest);
    return isMounted;
  }

  scratch(): Promise<string> {
    return this.#scratch();
  }

  async remove(digests: ReadonlySet<Digest>): Promise<Removed> {
    const subjects = new Set<Digest>(digests);
    for (const digest of digests) {
      const bytes = await this.#manifests.get(digest);
      const subject = bytes && subjectIn(bytes);
      if (subject !== undefined && !(await this.#referrers.areOffered(subject))) subjects.add(subject);
      await this.#manifests.remove(digest);
      this.#tags.forget(digest);
    }
    const [first] = digests;
    if (first !== undefined && !(await this.#referrers.areOffered(first)))
      await this.#referrers.removeAll(digests, subjects);
    return { bytes: undefined };
  }

  repair(): Promise<readonly string[]> {
    return this.#referrers.repair();
  }

  /** A file that nobody changes is sent as it lies: the registry itself compares it with its digest. */
  async #takeFile(file: string | undefined, digest: Digest): Promise<boolean> {
    const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
    if (file === undefined || found === undefined) return false;
    await this.#send(sendingOf(file, { digest, size: found.size }));
    return true;
  }

  async #hasBlob(digest: Digest): Promise<boolean> {
    if (this.#present.has(digest)) return true;
    const isThere = await isBlobThere(this.client, digest);
    if (isThere) this.#present.add(digest);
    return isThere;
  }

  async #send(sending: Sending): Promise<Blob> {
    const { digest, size } = sending;
    if (!(await this.#hasBlob(digest))) {
      refuseTooLarge(this.client.reference.host, size);
      const transfer = this.#pushed.start(size);
      await this.#uploads(() =>
        new Upload(this.client, sending, { progress: transfer, signal: this.#signal }).run(),
      ).finally(() => transfer.end());
      this.#present.add(digest);
    }
    return { digest, size };
  }

  /** What cannot be read again is kept aside until it has arrived. */
  async #writeStream(stream: Readable, expected: Digest | undefined): Promise<Blob> {
    const folder = await this.#scratch();
    try {
      const aside = new LayoutStore(folder, this.location);
      const blob = await aside.write({ stream }, expected);
      return await this.write({ file: aside.pathOf(blob.digest), how: 'link' }, blob.digest);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

function sendingOf(file: string, blob: Blob): Sending {
  const open = async (start: number): Promise<Readable> =>
    createReadStream(file, { start, highWaterMark: 1 << 20 });
  return { ...blob, place: file, file, open };
}
