/**
 * Azure block blobs on disk, as far as an upload of an artifact uses them, and exact about it: a blob is what its block
 * list says, in the list's order, whatever order the blocks came in. A block that is not listed is dropped; a listed
 * block that was never put refuses the whole list. Blocks stay files of their own, so a commit copies nothing and no
 * body is ever held in memory.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';

/** A refusal: the HTTP status, the service's code for it, and a sentence. */
export class ServiceError extends Error {
  override name = 'ServiceError';
  readonly status: number;
  readonly code: string;
  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

interface Block {
  readonly file: string;
  readonly size: number;
}

interface Blob {
  /** Blocks put since the last commit, by id (base64, as sent). */
  readonly uncommitted: Map<string, Block>;
  committed: Map<string, Block>;
  /** The blob itself: blocks in the order of the list. Undefined before the first commit. */
  content: readonly Block[] | undefined;
  contentType: string;
}

/** What is known of a committed blob; size in bytes, sha256 in hex. */
export interface BlobFacts {
  readonly size: number;
  readonly sha256: string;
  readonly contentType: string;
}

const BlockKind = z.enum(['Latest', 'Committed', 'Uncommitted']);
export type BlockKind = z.output<typeof BlockKind>;

export class BlockBlobs {
  readonly #dir: string;
  readonly #blobs = new Map<string, Blob>();
  #files = 0;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** Put Block: stages `body` under `id`; a second put of the same id replaces the first. */
  async putBlock(blob: string, id: string, body: Readable): Promise<void> {
    const { uncommitted } = this.#open(blob);
    const [other] = uncommitted.keys();
    if (other !== undefined && Buffer.from(other, 'base64').length !== Buffer.from(id, 'base64').length) {
      throw new ServiceError(400, 'InvalidBlobOrBlock', 'All block ids of a blob must have the same length.');
    }
    const block = await this.#write(body);
    const replaced = uncommitted.get(id);
    uncommitted.set(id, block);
    if (replaced) await removeBlocks([replaced]);
  }

  /** Put Block List: the blob becomes exactly these blocks in this order; every other block is dropped. */
  async putBlockList(
    blob: string,
    list: readonly (readonly [BlockKind, string])[],
    contentType: string,
  ): Promise<void> {
    const { uncommitted, committed } = this.#open(blob);
    const content = list.map(([kind, id]) => {
      const block =
        (kind === 'Committed' ? undefined : uncommitted.get(id)) ??
        (kind === 'Uncommitted' ? undefined : committed.get(id));
      if (!block) throw new ServiceError(400, 'InvalidBlockList', `Block ${id} was never put.`);
      return [id, block] as const;
    });
    await this.#commit(
      blob,
      new Map(content),
      content.map(([, block]) => block),
      contentType,
    );
  }

  /** Put Blob: the whole content in one body. */
  async putBlob(blob: string, body: Readable, contentType: string): Promise<void> {
    this.#open(blob);
    await this.#commit(blob, new Map(), [await this.#write(body)], contentType);
  }

  /** Size, hash and type of a committed blob; undefined when nothing was committed. Reads it once. */
  async facts(blob: string): Promise<BlobFacts | undefined> {
    const { content, contentType } = this.#open(blob);
    if (!content) return undefined;
    const hash = createHash('sha256');
    await pipeline(this.read(blob), hash);
    return { size: total(content), sha256: hash.digest('hex'), contentType };
  }

  /** The bytes of a committed blob. */
  read(blob: string): Readable {
    const { content } = this.#open(blob);
    if (!content) throw blobNotFound();
    return Readable.from(
      (async function* () {
        for (const { file } of content) yield* createReadStream(file, { highWaterMark: 1 << 20 });
      })(),
      { objectMode: false },
    );
  }

  /** Forgets a blob and its files. */
  async remove(blob: string): Promise<void> {
    const { uncommitted, content } = this.#open(blob);
    this.#blobs.delete(blob);
    await removeBlocks([...uncommitted.values(), ...(content ?? [])]);
  }

  #open(blob: string): Blob {
    const found = this.#blobs.get(blob) ?? {
      uncommitted: new Map(),
      committed: new Map(),
      content: undefined,
      contentType: 'application/octet-stream',
    };
    this.#blobs.set(blob, found);
    return found;
  }

  async #commit(
    name: string,
    committed: Map<string, Block>,
    content: Block[],
    contentType: string,
  ): Promise<void> {
    const blob = this.#open(name);
    const kept = new Set(content);
    const dropped = [...blob.uncommitted.values(), ...(blob.content ?? [])].filter((b) => !kept.has(b));
    blob.uncommitted.clear();
    blob.committed = committed;
    blob.content = content;
    blob.contentType = contentType;
    await removeBlocks(dropped);
  }

  /** Writes a body to a file of its own; a body that is cut short leaves nothing. */
  async #write(body: Readable): Promise<Block> {
    await mkdir(this.#dir, { recursive: true });
    const file = join(this.#dir, `${this.#files++}.block`);
    let size = 0;
    body.on('data', (chunk: Buffer) => {
      size += chunk.length;
    });
    try {
      await pipeline(body, createWriteStream(file));
    } catch (error) {
      await rm(file, { force: true });
      throw error;
    }
    return { file, size };
  }
}

export function blobNotFound(): ServiceError {
  return new ServiceError(404, 'BlobNotFound', 'The specified blob does not exist.');
}

/** The entries of a Put Block List body, in order. */
export function readBlockList(xml: string): [BlockKind, string][] {
  return [...xml.matchAll(/<(Latest|Committed|Uncommitted)>([^<]+)<\/\1>/g)].map(([, kind, id]) => [
    BlockKind.parse(kind),
    id ?? '',
  ]);
}

function total(blocks: readonly Block[]): number {
  return blocks.reduce((sum, { size }) => sum + size, 0);
}

async function removeBlocks(blocks: readonly Block[]): Promise<void> {
  await Promise.all(blocks.map(({ file }) => rm(file, { force: true })));
}
