/**
 * The registry's folder. Blobs lie once for all repositories and are linked into each; everything is written aside and renamed,
 * so a registry started anew on the folder has all that was there, unfinished uploads included.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { RegistryError } from './registry-reply.ts';

const HEX: Readonly<Record<string, number>> = { sha256: 64, sha512: 128 };

/** The algorithm and the hex digits of a digest. */
export function partsOf(digest: string): readonly [string, string] {
  const [, algorithm = '', hex = ''] = /^([a-z0-9]+):([0-9a-f]+)$/.exec(digest) ?? [];
  if (HEX[algorithm] !== hex.length) throw new RegistryError(400, 'DIGEST_INVALID', `${digest} is no digest`);
  return [algorithm, hex];
}

export function isDigest(reference: string): boolean {
  return reference.includes(':');
}

/** @throws RegistryError when a file does not hash to `digest` */
export async function verify(path: string, digest: string): Promise<void> {
  const [algorithm, hex] = partsOf(digest);
  const hash = createHash(algorithm);
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  if (hash.digest('hex') !== hex)
    throw new RegistryError(400, 'DIGEST_INVALID', `the bytes are not ${digest}`);
}

export interface Manifest {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

export class Disk {
  readonly root: string;

  constructor(root: string) {
    this.root = root;
  }

  /** Where the bytes of a blob lie. */
  blobPath(digest: string): string {
    return join(this.root, 'blobs', ...partsOf(digest));
  }

  /** The size of a blob that this repository has, in bytes. */
  async sizeOf(repository: string, digest: string): Promise<number | undefined> {
    if (!existsSync(this.#in(repository, 'links', ...partsOf(digest)))) return undefined;
    return this.bytesOf(digest);
  }

  /** The size of a blob that any repository has. */
  async bytesOf(digest: string): Promise<number | undefined> {
    return (await stat(this.blobPath(digest)).catch(() => undefined))?.size;
  }

  /** Moves a file among the blobs of a repository. */
  async adopt(repository: string, digest: string, file: string): Promise<void> {
    await mkdir(dirname(this.blobPath(digest)), { recursive: true });
    await rename(file, this.blobPath(digest));
    await this.link(repository, digest);
  }

  async link(repository: string, digest: string): Promise<void> {
    await this.#write(this.#in(repository, 'links', ...partsOf(digest)), '');
  }

  async unlink(repository: string, digest: string): Promise<void> {
    await rm(this.#in(repository, 'links', ...partsOf(digest)), { force: true });
  }

  async putManifest(repository: string, digest: string, { mediaType, bytes }: Manifest): Promise<void> {
    const file = this.#in(repository, 'manifests', ...partsOf(digest));
    await this.#write(file, Buffer.concat([Buffer.from(`${mediaType}\n`), bytes]));
  }

  async getManifest(repository: string, digest: string): Promise<Manifest | undefined> {
    const file = this.#in(repository, 'manifests', ...partsOf(digest));
    const content = await readFile(file).catch(() => undefined);
    if (content === undefined) return undefined;
    const end = content.indexOf('\n');
    return { mediaType: content.toString('utf8', 0, end), bytes: content.subarray(end + 1) };
  }

  /** Also drops the tags that name it. */
  async deleteManifest(repository: string, digest: string): Promise<void> {
    await rm(this.#in(repository, 'manifests', ...partsOf(digest)), { force: true });
    for (const tag of await this.tags(repository)) {
      if ((await this.getTag(repository, tag)) === digest) await this.deleteTag(repository, tag);
    }
  }

  /** The digests of all manifests of a repository. */
  async manifests(repository: string): Promise<string[]> {
    const all = Object.keys(HEX).map(async (algorithm) => {
      const found = await readdir(this.#in(repository, 'manifests', algorithm)).catch(() => []);
      return found.map((hex) => `${algorithm}:${hex}`);
    });
    return (await Promise.all(all)).flat();
  }

  async setTag(repository: string, tag: string, digest: string): Promise<void> {
    await this.#write(this.#in(repository, 'tags', tag), digest);
  }

  async getTag(repository: string, tag: string): Promise<string | undefined> {
    return readFile(this.#in(repository, 'tags', tag), 'utf8').catch(() => undefined);
  }

  async deleteTag(repository: string, tag: string): Promise<void> {
    await rm(this.#in(repository, 'tags', tag), { force: true });
  }

  /** In the order of ASCII. */
  async tags(repository: string): Promise<string[]> {
    return (await readdir(this.#in(repository, 'tags')).catch(() => [])).sort();
  }

  hasRepository(repository: string): boolean {
    return existsSync(this.#in(repository));
  }

  /** Where an upload gathers its bytes. */
  uploadPath(repository: string, id: string): string {
    return this.#in(repository, 'uploads', id);
  }

  /** A `+` is in no name, so it can stand for the slash. */
  #in(repository: string, ...path: string[]): string {
    return join(this.root, 'repositories', repository.replaceAll('/', '+'), ...path);
  }

  async #write(file: string, content: string | Buffer): Promise<void> {
    const aside = join(this.root, 'aside', randomUUID());
    await mkdir(dirname(aside), { recursive: true });
    await mkdir(dirname(file), { recursive: true });
    await writeFile(aside, content);
    await rename(aside, file);
  }
}
