import { type Digest, differs, digestOf, hexOf, isDigest } from '../../lib/digest.ts';
import { MachineError, UserError } from '../../lib/errors.ts';
import { TransientError } from '../../lib/retry.ts';
import { bytesOf, drop, type WebAnswer } from '../../lib/web-answer.ts';
import { IMAGE_INDEX, IMAGE_MANIFEST } from '../../records/oci.ts';
import type { RegistryClient } from './client.ts';
import { LARGEST_MANIFEST, refuseLargeManifest } from './limits.ts';

const ACCEPT = { accept: [IMAGE_MANIFEST, IMAGE_INDEX].join(', ') };
/** Others may have written larger ones, within reason. */
const LARGEST_READ = 4 * LARGEST_MANIFEST;
/** How registries refuse to move a tag: ECR, Artifactory, others, Harbor. */
const REFUSALS: ReadonlySet<number> = new Set([400, 403, 409, 412]);

/** The manifests of one repository, by digest and by tag. */
export class Manifests {
  readonly #client: RegistryClient;
  /** Manifests never change; those that were read or written here. */
  readonly #known = new Map<Digest, Uint8Array>();
  /** What a registry said that a tag stands for. */
  readonly #told = new Map<Digest, string>();

  constructor(client: RegistryClient) {
    this.#client = client;
  }

  /** The bytes of a manifest; undefined when it is not there. @throws UserError when other bytes come */
  async get(digest: Digest): Promise<Uint8Array | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const found = (await this.#fetch(digest)) ?? (await this.#missing(digest));
    if (found === undefined) return undefined;
    const told = digestOf(found);
    if (told !== digest) throw differs(this.#client.name, digest, told);
    this.#known.set(digest, found);
    return found;
  }

  /** What a tag stands for now; the bytes are asked for by that digest, so that a tag which moves meanwhile changes nothing. */
  async resolve(tag: string): Promise<Digest | undefined> {
    const what = `the look for ${tag}`;
    const request = { method: 'HEAD', path: `manifests/${tag}`, headers: ACCEPT } as const;
    const { status, headers } = await this.#client.ask(what, request, dropped);
    if (status === 404) return undefined;
    const told = headers['docker-content-digest'];
    if (status === 200 && told !== undefined && isDigest(told) && !contradicts(tag, told)) {
      this.#told.set(told, tag);
      return told;
    }
    // Some registries tell no digest, take no HEAD, or refuse it without saying why: a GET has an answer for all of that.
    const bytes = await this.#fetch(tag);
    const digest = bytes && digestOf(bytes);
    if (digest !== undefined && bytes !== undefined) this.#known.set(digest, bytes);
    return digest;
  }

  /** Gives a manifest a tag; says whether the registry keeps the list of referrers itself. */
  async put(bytes: Uint8Array, mediaType: string, tag: string): Promise<{ listsReferrers: boolean }> {
    refuseLargeManifest(bytes.length);
    const digest = digestOf(bytes);
    const what = `the record ${tag}`;
    const headers = { 'content-type': mediaType };
    const request = { method: 'PUT', path: `manifests/${tag}`, headers, body: async () => bytes } as const;
    const headersOf = await this.#client.ask(what, request, async (answer): Promise<WebAnswer['headers']> => {
      // A repository whose tags may not be written twice refuses even what they stand for already.
      const isThere = REFUSALS.has(answer.status) && (await this.resolve(tag)) === digest;
      if (!isThere) await this.#client.expect(what, answer, [201, 200, 202, 204]);
      await drop(answer);
      return isThere ? {} : answer.headers;
    });
    const told = headersOf['docker-content-digest'] ?? digest;
    if (told !== digest)
      throw new MachineError(
        `${what}: ${this.#client.name} took ${told} for ${digest}; it, or something on the way, changes what it is given. Run this again, and look at proxies before the registry if it stays`,
      );
    this.#known.set(digest, bytes);
    return { listsReferrers: headersOf['oci-subject'] !== undefined };
  }

  /** Removes a manifest with all its tags; what is not there is removed already. */
  async remove(digest: Digest): Promise<void> {
    const what = `the removal of ${digest}`;
    const answer = await this.#client.ask(
      what,
      { method: 'DELETE', path: `manifests/${digest}` },
      async (found) => found,
    );
    if ([405, 400, 403, 501].includes(answer.status)) throw await this.#noRemoval(what, answer);
    await this.#client.expect(what, answer, [202, 200, 204, 404]);
    await drop(answer);
    this.#known.delete(digest);
  }

  /** What a tag stood for a moment ago and is not there: it was removed, or the registry told a wrong digest. */
  async #missing(digest: Digest): Promise<Uint8Array | undefined> {
    const tag = this.#told.get(digest);
    const now = tag && (await this.#fetch(tag));
    if (!now || digestOf(now) === digest) return now || undefined;
    throw new MachineError(
      `${this.#client.name} says that ${tag} is ${digest}, and gives ${digestOf(now)} for it: the tag was moved at this moment, ` +
        'or something on the way answers for an older one. Run this again; if it stays, look at caches and proxies before the registry',
    );
  }

  async #fetch(reference: string): Promise<Uint8Array | undefined> {
    const what = `the record ${reference}`;
    const request = { method: 'GET', path: `manifests/${reference}`, headers: ACCEPT } as const;
    return this.#client.ask(what, request, async (answer) => {
      if (answer.status === 404) {
        await drop(answer);
        return undefined;
      }
      await this.#client.expect(what, answer, [200]);
      const bytes = await bytesOf(answer, LARGEST_READ);
      const told = answer.headers['docker-content-digest'] ?? '';
      // By a tag, nothing else says what the bytes should be.
      if (isDigest(reference) || !isDigest(told) || told === digestOf(bytes)) return bytes;
      throw new TransientError(`${this.#client.name} says that it is ${told}, and sends ${digestOf(bytes)}`);
    });
  }

  async #noRemoval(what: string, answer: WebAnswer): Promise<UserError> {
    const { message } = await this.#client.refusal(what, answer);
    return new UserError(
      `${message}. Registries need not let their clients remove anything: distribution has the setting storage.delete.enabled; ` +
        'on ghcr.io remove versions with GitHub’s packages API (gh api --method DELETE …/packages/container/NAME/versions/ID)',
    );
  }
}

/** A record's own tag ends with the first digits of its digest; another digest for it is a mistake of the registry's. */
function contradicts(tag: string, told: Digest): boolean {
  const own = /-([0-9a-f]{12})$/.exec(tag)?.[1];
  return own !== undefined && own !== hexOf(told, 12);
}

async function dropped(answer: WebAnswer): Promise<WebAnswer> {
  if (answer.status < 400) await drop(answer);
  return answer;
}
