import { type Digest, differs, digestOf, isDigest } from '../../lib/digest.ts';
import { MachineError, UserError } from '../../lib/errors.ts';
import { bytesOf, drop, type WebAnswer } from '../../lib/web.ts';
import { IMAGE_INDEX, IMAGE_MANIFEST } from '../../records/oci.ts';
import type { RegistryClient } from './client.ts';
import { LARGEST_MANIFEST, refuseLargeManifest } from './limits.ts';

const ACCEPT = { accept: [IMAGE_MANIFEST, IMAGE_INDEX].join(', ') };
/** Others may have written larger ones, within reason. */
const LARGEST_READ = 4 * LARGEST_MANIFEST;

/** The manifests of one repository, by digest and by tag. */
export class Manifests {
  readonly #client: RegistryClient;
  /** Manifests never change; those that were read or written here. */
  readonly #known = new Map<Digest, Uint8Array>();

  constructor(client: RegistryClient) {
    this.#client = client;
  }

  /** The bytes of a manifest; undefined when it is not there. @throws UserError when other bytes come */
  async get(digest: Digest): Promise<Uint8Array | undefined> {
    const known = this.#known.get(digest);
    if (known !== undefined) return known;
    const found = await this.#fetch(digest);
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
    const answer = await this.#client.ask(what, request, dropped);
    if (answer.status === 404) return undefined;
    await this.#client.expect(what, answer, [200]);
    const told = answer.headers['docker-content-digest'];
    if (told !== undefined && isDigest(told)) return told;
    const bytes = await this.#fetch(tag);
    return bytes && digestOf(bytes);
  }

  /** Gives a manifest a tag; says whether the registry keeps the list of referrers itself. */
  async put(bytes: Uint8Array, mediaType: string, tag: string): Promise<{ listsReferrers: boolean }> {
    refuseLargeManifest(bytes.length);
    const digest = digestOf(bytes);
    const what = `the record ${tag}`;
    const headers = { 'content-type': mediaType };
    const request = { method: 'PUT', path: `manifests/${tag}`, headers, body: async () => bytes } as const;
    const answer = await this.#client.ask(what, request, async (found) => {
      await this.#client.expect(what, found, [201]);
      return dropped(found);
    });
    const told = answer.headers['docker-content-digest'] ?? digest;
    if (told !== digest)
      throw new MachineError(
        `${what}: ${this.#client.name} took ${told} for ${digest}; it does not keep what it is given`,
      );
    this.#known.set(digest, bytes);
    return { listsReferrers: answer.headers['oci-subject'] !== undefined };
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

  async #fetch(reference: string): Promise<Uint8Array | undefined> {
    const what = `the record ${reference}`;
    const request = { method: 'GET', path: `manifests/${reference}`, headers: ACCEPT } as const;
    return this.#client.ask(what, request, async (answer) => {
      if (answer.status === 404) {
        await drop(answer);
        return undefined;
      }
      await this.#client.expect(what, answer, [200]);
      return bytesOf(answer, LARGEST_READ);
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

async function dropped(answer: WebAnswer): Promise<WebAnswer> {
  if (answer.status < 400) await drop(answer);
  return answer;
}
