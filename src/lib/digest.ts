import { createHash, type Hash } from 'node:crypto';
import { Transform } from 'node:stream';
import { UserError } from './errors.ts';
import { type FileHash, hashFile } from './hash-file.ts';

/** `sha256:` and 64 hexadecimal digits (OCI image specification, descriptor digests). */
export type Digest = `sha256:${string}`;

/** What a content is known by: its digest and its size in bytes. */
export interface Blob {
  readonly digest: Digest;
  readonly size: number;
}

/** Whether a text has the form of a digest. */
export function isDigest(text: string): text is Digest {
  return /^sha256:[0-9a-f]{64}$/.test(text);
}

/** Reads a digest that a person gave; `what` names the place in the error. */
export function parseDigest(text: string, what: string): Digest {
  if (isDigest(text)) return text;
  throw new UserError(
    `${what} is ${JSON.stringify(text)}, not a digest: it has the form sha256: and 64 hexadecimal digits`,
  );
}

/** The digest of bytes in memory. */
export function digestOf(bytes: Uint8Array): Digest {
  return finish(createHash('sha256').update(bytes));
}

/**
 * Reads the file once, in a thread of its own when it is large; `onBytes` is told how many bytes each step took.
 * @throws UserError when somebody writes to the file meanwhile
 */
export async function digestOfFile(path: string, onBytes?: (count: number) => void): Promise<Blob> {
  return blobOf(await hashFile(path, { onBytes }));
}

/** What a file was found to hold. */
export function blobOf({ hex, size }: Pick<FileHash, 'hex' | 'size'>): Blob {
  return { digest: `sha256:${hex}`, size };
}

/** The hexadecimal digits, of which people see the first twelve. */
export function hexOf(digest: Digest, length = 64): string {
  return digest.slice('sha256:'.length, 'sha256:'.length + length);
}

/** A stream that passes bytes on and knows, at its end, what they were. */
export class HashingStream extends Transform {
  readonly #hash = createHash('sha256');
  #size = 0;
  #blob: Blob | undefined;

  override _transform(
    chunk: Buffer,
    _encoding: BufferEncoding,
    done: (error: Error | null, data: Buffer) => void,
  ): void {
    this.#hash.update(chunk);
    this.#size += chunk.length;
    done(null, chunk);
  }

  override _flush(done: (error?: Error | null) => void): void {
    this.#blob = { digest: finish(this.#hash), size: this.#size };
    done(this.verify(this.#blob));
  }

  /** Overridden where the content is known beforehand: the error that ends the stream. */
  protected verify(_found: Blob): Error | null {
    return null;
  }

  /** Only after the stream has ended. */
  get blob(): Blob {
    if (this.#blob === undefined) throw new Error('the stream has not ended');
    return this.#blob;
  }
}

/** Fails at the end, before its reader sees one, when the bytes are not those of the digest. */
export class VerifyingStream extends HashingStream {
  readonly #expected: Digest;
  readonly #place: string;

  constructor(expected: Digest, place: string) {
    super();
    this.#expected = expected;
    this.#place = place;
  }

  protected override verify(found: Blob): Error | null {
    return found.digest === this.#expected ? null : differs(this.#place, this.#expected, found.digest);
  }
}

/** The one message for bytes that are not what their name says. */
export function differs(place: string, expected: Digest, found: Digest): UserError {
  return new UserError(
    `${place}: the bytes differ from their digest (expected ${expected}, found ${found}). ` +
      'They were damaged or replaced after they were written, or on their way: run this again; if it stays, remove them and run the stage that made them again',
  );
}

function finish(hash: Hash): Digest {
  return `sha256:${hash.digest('hex')}`;
}
