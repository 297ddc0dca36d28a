/** The other host that blobs come from where a registry redirects: an object store with signed URLs, which takes no credentials. */
import { createHmac, randomBytes } from 'node:crypto';
import type { Disk } from './registry-disk.ts';
import type { Handler } from './registry-options.ts';
import { RegistryError, type Reply, reply, replyFile } from './registry-reply.ts';

export interface RedirectOptions {
  /** Default 307. */
  readonly status?: 302 | 307;
  /** Seconds that a URL is good for. Default 300. */
  readonly lifetime?: number;
  /**
   * How the other host is called. Default `127.0.0.1`, as the registry, at another port: what a strict client takes for another host.
   * Clients in Go do not, and would send it their credentials; for them `localhost`.
   */
  readonly name?: '127.0.0.1' | 'localhost';
}

export class OtherHost {
  readonly #options: RedirectOptions;
  readonly #disk: Disk;
  readonly #host: () => string;
  readonly #now: () => number;
  readonly #key = randomBytes(32);

  constructor(options: RedirectOptions, disk: Disk, host: () => string, now: () => number) {
    this.#options = options;
    this.#disk = disk;
    this.#host = host;
    this.#now = now;
  }

  /** Where a blob is to be had for a while. */
  redirect(digest: string): Reply {
    const expires = String(this.#now() + (this.#options.lifetime ?? 300) * 1000);
    const query = new URLSearchParams({ digest, expires, signature: this.#sign(digest, expires) });
    const { status = 307, name = '127.0.0.1' } = this.#options;
    return reply(status, { location: `http://${this.#host().replace('127.0.0.1', name)}/?${query}` });
  }

  /** Answers at the other host. */
  readonly answer: Handler = async ({ reference, query, header }) => {
    if (header('authorization') !== undefined)
      throw new RegistryError(400, 'InvalidArgument', 'credentials beside a signature');
    const expires = query.get('expires') ?? '';
    if (query.get('signature') !== this.#sign(reference, expires) || Number(expires) <= this.#now())
      throw new RegistryError(403, 'AccessDenied', 'the signature is wrong, or has expired');
    const size = await this.#disk.bytesOf(reference);
    if (size === undefined) throw new RegistryError(404, 'NoSuchKey', `there is no ${reference}`);
    const headers = { 'content-type': 'application/octet-stream', 'accept-ranges': 'bytes' };
    return replyFile(this.#disk.blobPath(reference), size, header('range'), headers);
  };

  #sign(digest: string, expires: string): string {
    return createHmac('sha256', this.#key).update(`${digest}\n${expires}`).digest('base64url');
  }
}
