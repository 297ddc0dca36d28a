/** What writers and readers of a soak do, and the book of what was reported as written. */
import { createCipheriv, createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Blob, type Digest, digestOf } from '../../src/lib/digest.ts';
import { type Manifest, manifestOf } from '../../src/records/oci.ts';
import { type SourceConfig, source } from '../../src/records/source.ts';
import { copyRecord } from '../../src/store/copy.ts';
import { putRecord } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';

/** Two repositories of one registry, and a folder. */
export const PLACES = ['left', 'right', 'folder'] as const;
export type Place = (typeof PLACES)[number];

/** A record that a store said it has. */
export interface Written {
  readonly record: Digest;
  readonly size: number;
  readonly manifest: Manifest;
  readonly tag: string;
  readonly subject: Written | undefined;
  readonly blobs: readonly Blob[];
}

/** Numbers from 0 to 1. */
export type Draw = () => number;

/** Something that was lost, differs, or is found and not whole: what a soak is there to find. */
export class Loss extends Error {}

/** What this round's stores said that they have. */
export class Book {
  readonly #written: Record<Place, Map<Digest, Written>> = {
    left: new Map(),
    right: new Map(),
    folder: new Map(),
  };

  /** A record is known with all that it stands on. */
  add(place: Place, written: Written): void {
    this.#written[place].set(written.record, written);
    if (written.subject !== undefined) this.add(place, written.subject);
  }

  any(place: Place, draw: Draw): Written | undefined {
    return pick([...this.#written[place].values()], draw);
  }

  all(place: Place): Written[] {
    return [...this.#written[place].values()];
  }
}

/** What one piece of work moved. */
export interface Moved {
  written: number;
  read: number;
}

/** Most are small, as real records' are; now and then one of 20 MB. */
const SIZES = [0, 1, 700, 5_000, 70_000, 300_000, 1_000_000, 4_500_000, 20_000_000];

/** Decides what is written, so that the same can be tried again until it arrives. */
export function drawRecord(book: Book, place: Place, number: number, draw: Draw): () => NewRecord {
  const sizes = Array.from({ length: Math.floor(draw() * 4) }, () => {
    const least = draw() ** 1.6 * SIZES.length;
    return SIZES[Math.floor(least)] ?? 0;
  });
  const key = Math.floor(draw() * 2 ** 32);
  const ways = sizes.map(() => draw());
  const subject = draw() < 0.6 ? book.any(place, draw) : undefined;
  return () => ({ number, subject, ways, contents: sizes.map((size, n) => randomContent(key + n, size)) });
}

export interface NewRecord {
  readonly number: number;
  readonly subject: Written | undefined;
  readonly contents: readonly Buffer[];
  /** In which way each content is given, from 0 to 1. */
  readonly ways: readonly number[];
}

/** Writes a record with its blobs. */
export async function write(store: Store, made: NewRecord, folder: string, moved: Moved): Promise<Written> {
  const blobs: Blob[] = [];
  for (const [n, bytes] of made.contents.entries()) {
    blobs.push(await writeBlob(store, bytes, made.ways[n] ?? 0, folder));
    moved.written += bytes.length;
  }
  const config: SourceConfig = {
    repository: 'soak',
    commit: made.number.toString(16).padStart(40, '0'),
    path: '.',
    ref: 'main',
  };
  const layers = blobs.map((blob) => ({ mediaType: 'application/octet-stream', ...blob }));
  const { subject } = made;
  const { digest, size, manifest } = await putRecord(store, source, {
    config,
    layers,
    ...(subject && { subject: { digest: subject.record, size: subject.size, manifest: subject.manifest } }),
  });
  return { record: digest, size, manifest, tag: source.tag(config, digest), subject, blobs };
}

async function writeBlob(store: Store, bytes: Buffer, way: number, folder: string): Promise<Blob> {
  const digest = digestOf(bytes);
  if (way < 0.25) return store.write({ bytes });
  if (way < 0.5) return store.write({ stream: Readable.from(pieces(bytes)) }, digest);
  if (way < 0.75)
    return store.write({ open: async () => Readable.from(pieces(bytes)), size: bytes.length }, digest);
  const file = join(folder, `${digest.slice(7, 19)}-${Math.random()}`);
  await writeFile(file, bytes);
  return store.write({ file, how: 'move' });
}

/** Copies a record with all that it stands on. */
export async function copy(from: Store, to: Store, written: Written, moved: Moved): Promise<void> {
  await copyRecord(from, to, written.record);
  moved.written += written.blobs.reduce((sum, { size }) => sum + size, 0);
}

/** Reads all of a record that was reported as written. @throws Loss when any of it is not as it was */
export async function check(store: Store, written: Written, moved: Moved): Promise<void> {
  const named = await store.resolve(written.tag);
  if (named !== written.record) throw new Loss(`${store.location}: ${written.tag} is ${named}`);
  const manifest = await store.get(written.record);
  if (manifest === undefined) throw new Loss(`${store.location}: ${written.record} is gone`);
  for (const { digest, size } of written.blobs) {
    const hash = createHash('sha256');
    let count = 0;
    for await (const chunk of await store.read(digest)) {
      hash.update(chunk);
      count += chunk.length;
    }
    moved.read += count;
    if (count !== size || `sha256:${hash.digest('hex')}` !== digest)
      throw new Loss(`${store.location}: ${digest} came as something else`);
  }
  if (written.subject === undefined) return;
  if (!(await store.children(written.subject.record)).includes(written.record))
    throw new Loss(`${store.location}: ${written.record} is not found from its subject`);
}

/** Looks at what is found, whoever wrote it. @throws Loss when a record is found of which something is missing */
export async function checkFound(store: Store, expected: readonly Written[], draw: Draw): Promise<void> {
  const names = await store.names('source-');
  for (const { tag, record } of expected)
    if (names.get(tag) !== record) throw new Loss(`${store.location}: ${tag} is not found any more`);
  const found = pick([...names.values()], draw);
  if (found !== undefined) await checkWhole(store, found);
}

/** @throws Loss when a record that is found lacks a part */
export async function checkWhole(store: Store, found: Digest): Promise<void> {
  const bytes = await store.get(found);
  if (bytes === undefined) throw new Loss(`${store.location}: ${found} has a name and is not there`);
  const { config, layers, subject } = manifestOf(bytes, store.location);
  for (const { digest } of [config, ...layers])
    if (!(await store.has(digest))) throw new Loss(`${store.location}: ${found} is found without ${digest}`);
  if (subject !== undefined && (await store.get(subject.digest)) === undefined)
    throw new Loss(`${store.location}: ${found} is found without its subject`);
}

export function pick<T>(all: readonly T[], draw: Draw): T | undefined {
  return all[Math.floor(draw() * all.length)];
}

/** The same bytes for the same key. */
function randomContent(key: number, size: number): Buffer {
  const secret = createHash('sha256').update(String(key)).digest();
  return createCipheriv('aes-256-ctr', secret, Buffer.alloc(16)).update(Buffer.alloc(size));
}

function* pieces(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}
