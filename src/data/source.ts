import { z } from 'zod';
import { type Digest, hexOf } from '../lib/digest.ts';
import { digestOfJson } from '../lib/json.ts';
import { insidePath } from '../records/names.ts';

/** What is fetched and proved as one. */
const unit = z.strictObject({
  /** A tar of files; one file by SHA-256; one file by the SHA-1 that git gives it; one file by MD5, as DVC has it. */
  kind: z.enum(['shard', 'file', 'git', 'md5']),
  /** The digest, hexadecimal. */
  hex: z.string(),
  /** Bytes on the way; null where only the other side knows. */
  size: z.int().nonnegative().nullable(),
  /** Path and size of every file. */
  files: z.array(z.tuple([insidePath, z.int().nonnegative().nullable()])).min(1),
});
export type Unit = z.infer<typeof unit>;

/** All that a data set consists of, before a byte of it is here. */
export const plan = z.strictObject({
  /** What the trainer gets: the path of the one file, or of the folder. */
  form: z.enum(['file', 'folder']),
  /** Of all files; null where only the other side knows. */
  bytes: z.int().nonnegative().nullable(),
  units: z.array(unit).min(1),
});
export type Plan = z.infer<typeof plan>;

/** Where a data set can be fetched from. */
export interface Source {
  /** Its name in the cache, see `cacheKey`. */
  readonly key: string;
  /** For messages: "HOST/REPOSITORY". */
  readonly place: string;
  /** Asks what it consists of. */
  plan(): Promise<Plan>;
  /** A unit's bytes from an offset on. */
  open(unit: Unit, offset: number): Promise<AsyncIterable<Buffer>>;
  /** Writes a unit, proved, into a new file, faster than a stream could; false, with that file in any state, where it cannot. */
  fetchInto?(unit: Unit, file: string): Promise<boolean>;
  /** Whether what is opened at its beginning fails by itself when the bytes are not those of the digest. */
  readonly proves: boolean;
  /** Whether its units lie on this disk already, to be moved into the cache, and need no more room. */
  isHere?(): boolean;
  /** Removes what it has laid aside; where not all was fetched, what the next run has no use for. */
  close?(isFetched: boolean): Promise<void>;
  /** What to do when the bytes are not those of the digest. */
  readonly fix: (found: string) => string;
}

/**
 * What one digest stands for depends on the kind: a file, a list of files, what a command says. So what was proved as one kind
 * is not taken for another.
 * @param file the file's name, where the digest is that of its bytes alone
 */
export function cacheKey(kind: string, digest: Digest, file = ''): string {
  return hexOf(digestOfJson({ kind, digest, file }));
}
