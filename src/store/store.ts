import type { Readable } from 'node:stream';
import type { Blob, Digest } from '../lib/digest.ts';

/** How many blobs are written at the same time: enough for all cores that hash, and for a network or a disk that answers late. */
export const AT_ONCE = 8;

/**
 * Where a content comes from. A file is moved in (it is ours to give), linked (it belongs to another store and never
 * changes) or copied (somebody may still write it; gently, if others need the cores more). What can be opened is read again where a transfer has to begin anew.
 */
export type Content =
  | { readonly bytes: Uint8Array }
  | { readonly file: string; readonly how: 'move' | 'link' | 'copy'; readonly isGentle?: boolean }
  | { readonly stream: Readable }
  | { readonly open: () => Promise<Readable>; readonly size: number };

/** What the removal of records came to. */
export interface Removed {
  /** Bytes that are free now; undefined where the registry frees them later, by its own clean-up. */
  readonly bytes: number | undefined;
}

/**
 * A place for records and their bytes: an OCI 1.1 store of blobs and manifests. Every read is verified against its
 * digest before its end is seen; nothing that is written has its final name before it is whole.
 */
export interface Store {
  /** As the user named it, for messages. */
  readonly location: string;
  /** The repository (`HOST/REPOSITORY`) that other machines can pull from, and where it is asked; absent for a store that is none. */
  readonly client?: { readonly name: string; readonly base: URL };
  /** Whether the blob (a manifest is one, too) can be read here. */
  has(digest: Digest): Promise<boolean>;
  /** The blob's bytes as they flow; fails at the end, or before, if they are not those of the digest. */
  read(digest: Digest): Promise<Readable>;
  /** Up to `length` bytes of a blob from an offset, not verified: for a look at its headers. */
  peek(digest: Digest, offset: number, length: number): Promise<Buffer>;
  /** Keeps a content; what is there already is not written again. Fails if `expected` is given and differs. */
  write(content: Content, expected?: Digest): Promise<Blob>;
  /** Makes a manifest known under names, after all its blobs were written. A name that exists moves to it. */
  put(manifest: Uint8Array, names: readonly string[]): Promise<Digest>;
  /** The bytes of a manifest; undefined when it is not here. */
  get(digest: Digest): Promise<Uint8Array | undefined>;
  /** Manifests whose `subject` is this one. */
  children(digest: Digest): Promise<readonly Digest[]>;
  /** Names that begin with the prefix, and what they stand for. */
  names(prefix: string): Promise<ReadonlyMap<string, Digest>>;
  /** What one name stands for. */
  resolve(name: string): Promise<Digest | undefined>;
  /**
   * Takes a blob from another store without moving its bytes through this machine: a link on one disk, a mount within one
   * registry. False when that cannot be done; then the caller copies.
   */
  take(from: Store, blob: Blob): Promise<boolean>;
  /** Writes a large blob, verified, into a new file, faster than a stream could; false, with that file in any state, where it cannot. */
  fetch?(blob: Blob, file: string): Promise<boolean>;
  /** A new empty folder, on the disk where blobs will lie if there is one, so that a move is a rename. The caller removes it. */
  scratch(): Promise<string>;
  /** The blob as a file that nobody changes, where this store has such; its bytes are not verified. */
  pathOf?(digest: Digest): string;
  /** When each name was given last, in milliseconds since 1970; absent where that is not known. */
  namedAt?(): Promise<ReadonlyMap<string, number>>;
  /**
   * Makes records unknown, with all their names, and frees what only they held. Absent where nothing can be removed.
   * @param now in milliseconds since 1970; what was written shortly before stays
   */
  remove?(digests: ReadonlySet<Digest>, now?: number): Promise<Removed>;
  /** Removes a blob whose bytes differ from its digest, so that it is written again; says whether it did. */
  dropDamaged?(digest: Digest): Promise<boolean>;
  /** Mends what can be mended from the records themselves; says in sentences what it mended. */
  repair?(): Promise<readonly string[]>;
  /** For people: what this store cannot do or when it ends; nothing for one that keeps everything. */
  readonly limits?: string;
}
