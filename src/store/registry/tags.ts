import pLimit from 'p-limit';
import { z } from 'zod';
import { type Digest, hexOf } from '../../lib/digest.ts';
import { MachineError } from '../../lib/errors.ts';
import { tryJson } from '../../lib/json.ts';
import { bytesOf, drop } from '../../lib/web-answer.ts';
import type { RegistryClient } from './client.ts';
import type { Manifests } from './manifests.ts';
import { nextPage } from './pages.ts';

const PAGE = 1000;
const AT_ONCE = 16;
const LARGEST_PAGE = 16 * 2 ** 20;
const page = z.looseObject({ tags: z.array(z.string()).nullish() });

/** The tags of one repository. */
export class Tags {
  readonly #client: RegistryClient;
  readonly #manifests: Manifests;
  /** A record's own tag ends with its digest's first digits, and so never stands for another. */
  readonly #own = new Map<string, Digest>();

  constructor(client: RegistryClient, manifests: Manifests) {
    this.#client = client;
    this.#manifests = manifests;
  }

  /** All tags with the prefix, and what they stand for. */
  async withPrefix(prefix: string): Promise<Map<string, Digest>> {
    const tags = (await this.list()).filter((tag) => tag.startsWith(prefix));
    const found = await pLimit(AT_ONCE).map(tags, async (tag) => [tag, await this.resolve(tag)] as const);
    return new Map(found.flatMap(([tag, digest]) => (digest === undefined ? [] : [[tag, digest] as const])));
  }

  /** What a tag stands for; undefined when there is none. */
  async resolve(tag: string): Promise<Digest | undefined> {
    const own = this.#own.get(tag);
    if (own !== undefined) return own;
    const digest = await this.#manifests.resolve(tag);
    if (digest !== undefined && tag.endsWith(`-${hexOf(digest, 12)}`)) this.#own.set(tag, digest);
    return digest;
  }

  /** Forgets what a removed record was called. */
  forget(digest: Digest): void {
    for (const [tag, known] of this.#own) if (known === digest) this.#own.delete(tag);
  }

  /** The names of all tags, page by page. */
  async list(): Promise<string[]> {
    const tags: string[] = [];
    let url: URL | undefined = new URL(`tags/list?n=${PAGE}`, this.#client.base);
    while (url !== undefined) {
      const here: URL = url;
      const what = 'the list of tags';
      url = await this.#client.ask(what, { method: 'GET', url: here }, async (answer) => {
        // A repository that nothing was pushed to is not there yet.
        if (answer.status === 404 && tags.length === 0) return drop(answer).then(() => undefined);
        await this.#client.expect(what, answer, [200]);
        const parsed = page.safeParse(tryJson((await bytesOf(answer, LARGEST_PAGE)).toString()));
        if (!parsed.success)
          throw new MachineError(`${what}: ${this.#client.name} answers with something else`);
        tags.push(...(parsed.data.tags ?? []));
        return nextPage(answer);
      });
    }
    return [...new Set(tags)];
  }
}
