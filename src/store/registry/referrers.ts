import pLimit from 'p-limit';
import { z } from 'zod';
import { type Digest, digestOf, hexOf } from '../../lib/digest.ts';
import { MachineError } from '../../lib/errors.ts';
import { byBytes, canonicalBytes, tryJson } from '../../lib/json.ts';
import { bytesOf } from '../../lib/web-answer.ts';
import {
  type Descriptor,
  digest as digestText,
  IMAGE_INDEX,
  IMAGE_MANIFEST,
  index,
  type Manifest,
  manifestOf,
  subjectIn,
} from '../../records/oci.ts';
import type { RegistryClient } from './client.ts';
import type { Manifests } from './manifests.ts';
import { nextPage } from './pages.ts';
import type { Tags } from './tags.ts';

const LARGEST_PAGE = 16 * 2 ** 20;
const AT_ONCE = 16;

const LIST = 'the list of referrers';
const NOT_OFFERED: ReadonlySet<number> = new Set([400, 404, 405, 501]);
/** With these the repository or the subject is not there, and nothing is said about the list (OCI error codes). */
const UNKNOWN = /NAME_UNKNOWN|MANIFEST_UNKNOWN|NAME_INVALID|DIGEST_INVALID/;
/** An image index, as lenient as registries write it here. */
const listed = z.looseObject({ manifests: z.array(z.looseObject({ digest: digestText })).nullable() });

/** A part of a list of referrers. */
interface Page {
  readonly digests: readonly Digest[];
  readonly next: URL | undefined;
}

/**
 * Which records name another as their subject. A registry with the referrers API keeps that list itself. For others the OCI
 * distribution specification has a fallback: an index under the tag `sha256-<hex>`, which every client rewrites. Two that do so at
 * once lose an entry, because nothing can be written on condition. So for such registries each record has one more tag,
 * `of-<subject>-<record>`, and what is listed is both together: other tools see the index, and nothing is ever lost to us.
 */
export class Referrers {
  readonly #client: RegistryClient;
  readonly #manifests: Manifests;
  readonly #tags: Tags;
  /** What is known for sure; a repository that is not there yet tells nothing. */
  #isOffered: boolean | undefined;

  constructor(client: RegistryClient, manifests: Manifests, tags: Tags) {
    this.#client = client;
    this.#manifests = manifests;
    this.#tags = tags;
  }

  /** Whether the registry lists referrers itself; asked until it is known. */
  async areOffered(subject: Digest): Promise<boolean> {
    return this.#isOffered ?? (await this.#page(this.#listOf(subject))) !== undefined;
  }

  /** A registry says in its answer to a record that it lists it. */
  seeOffered(): void {
    this.#isOffered = true;
  }

  /** All records whose subject is this one: what a list says is believed of none. */
  async of(subject: Digest): Promise<Digest[]> {
    const found = await pLimit(AT_ONCE).map([...(await this.#candidates(subject))], async (digest) => {
      const bytes = await this.#manifests.get(digest);
      return bytes !== undefined && subjectIn(bytes) === subject ? [digest] : [];
    });
    return found.flat();
  }

  async #candidates(subject: Digest): Promise<ReadonlySet<Digest>> {
    if (await this.areOffered(subject)) return this.#listed(subject);
    const index = (await this.#fallback(subject)) ?? [];
    const tagged = await this.#tags.withPrefix(`of-${hexOf(subject, 12)}-`);
    return new Set([...index.map(({ digest }) => digest), ...tagged.values()]);
  }

  /** The tag by which a record is found from its subject, for registries without the API. */
  tagOf(subject: Digest, record: Digest): string {
    return `of-${hexOf(subject, 12)}-${hexOf(record, 12)}`;
  }

  /** Adds a record to the fallback index of its subject, where the registry can have one. */
  async add(subject: Digest, record: Descriptor): Promise<void> {
    const present = await this.#fallback(subject);
    if (present === undefined || present.some(({ digest }) => digest === record.digest)) return;
    await this.#write(subject, [...present, record]);
  }

  /** Takes removed records out of the fallback indexes. */
  async removeAll(removed: ReadonlySet<Digest>, subjects: ReadonlySet<Digest>): Promise<void> {
    for (const subject of subjects) {
      const present = (await this.#fallback(subject)) ?? [];
      const left = present.filter(({ digest }) => !removed.has(digest));
      if (left.length === present.length) continue;
      if (left.length > 0 && !removed.has(subject)) await this.#write(subject, left);
      else await this.#removeIndex(subject);
    }
  }

  /** Rebuilds every fallback index from the records themselves; says what was missing. */
  async repair(): Promise<string[]> {
    const bySubject = new Map<Digest, Map<Digest, Descriptor>>();
    const digests = new Set((await this.#tags.withPrefix('')).values());
    await pLimit(AT_ONCE).map([...digests], async (digest) => {
      const bytes = await this.#manifests.get(digest);
      const subject = bytes && subjectIn(bytes);
      if (bytes === undefined || subject === undefined || (await this.areOffered(subject))) return;
      const children = bySubject.get(subject) ?? new Map<Digest, Descriptor>();
      bySubject.set(subject, children.set(digest, descriptorOf(bytes, manifestOf(bytes, this.#client.name))));
    });
    const mended: string[] = [];
    for (const [subject, children] of bySubject) {
      const present = await this.#fallback(subject);
      if (present === undefined) continue;
      const missing = [...children.values()].filter(
        ({ digest }) => !present.some((one) => one.digest === digest),
      );
      if (missing.length === 0) continue;
      await this.#write(subject, [...present, ...missing]);
      mended.push(
        `${missing.length} record${missing.length > 1 ? 's' : ''} added to the referrers of ${subject}`,
      );
    }
    return mended;
  }

  async #listed(subject: Digest): Promise<ReadonlySet<Digest>> {
    const found: Digest[] = [];
    let url: URL | undefined = this.#listOf(subject);
    for (let isFirst = true; url !== undefined; isFirst = false) {
      const page: Page | undefined = await this.#page(url);
      if (page === undefined && !isFirst)
        throw new MachineError(
          `${LIST}: ${this.#client.name} has no next page where it said so; run this again`,
        );
      found.push(...(page?.digests ?? []));
      url = page?.next;
    }
    return new Set(found);
  }

  #listOf(subject: Digest): URL {
    return new URL(`referrers/${subject}`, this.#client.base);
  }

  /** Undefined where the registry has no such list. Some say so by sending to a page for people, on another host or of HTML. */
  async #page(url: URL): Promise<Page | undefined> {
    return this.#client.ask(LIST, { method: 'GET', url, staysHome: true }, async (answer) => {
      const isElsewhere = answer.status >= 300 && answer.status < 400;
      if (isElsewhere || NOT_OFFERED.has(answer.status)) {
        const said = (await bytesOf(answer, LARGEST_PAGE)).toString();
        if (isElsewhere || !UNKNOWN.test(said)) this.#isOffered ??= false;
        return undefined;
      }
      await this.#client.expect(LIST, answer, [200]);
      const text = (await bytesOf(answer, LARGEST_PAGE)).toString();
      const parsed = listed.safeParse(tryJson(text));
      if (parsed.success) this.#isOffered = true;
      else if (/^\s*</.test(text)) this.#isOffered ??= false;
      else throw new MachineError(`${LIST}: ${this.#client.name} answers with something else`);
      return parsed.data && { digests: digestsOf(parsed.data), next: nextPage(answer) };
    });
  }

  /** Undefined where such a tag cannot be: GitLab takes it for the subject's digest. */
  async #fallback(subject: Digest): Promise<readonly Descriptor[] | undefined> {
    const digest = await this.#manifests.resolve(fallbackTag(subject));
    if (digest === subject) return undefined;
    const bytes = digest && (await this.#manifests.get(digest));
    const parsed = index.safeParse(tryJson(Buffer.from(bytes ?? '').toString()));
    return parsed.success ? parsed.data.manifests : [];
  }

  async #write(subject: Digest, manifests: readonly Descriptor[]): Promise<void> {
    await this.#put(subject, manifests).catch(async (error: unknown) => {
      // Registries refuse an index of which a member is gone, whoever removed it.
      const there = await pLimit(AT_ONCE).map([...manifests], async (one) =>
        (await this.#manifests.get(one.digest)) === undefined ? [] : [one],
      );
      if (there.flat().length === manifests.length) throw error;
      await this.#put(subject, there.flat());
    });
  }

  async #put(subject: Digest, manifests: readonly Descriptor[]): Promise<void> {
    const sorted = [...manifests].sort((a, b) => byBytes(a.digest, b.digest));
    const bytes = canonicalBytes({ schemaVersion: 2, mediaType: IMAGE_INDEX, manifests: sorted });
    await this.#manifests.put(bytes, IMAGE_INDEX, fallbackTag(subject));
  }

  async #removeIndex(subject: Digest): Promise<void> {
    const digest = await this.#manifests.resolve(fallbackTag(subject));
    if (digest !== undefined) await this.#manifests.remove(digest);
  }
}

function digestsOf({ manifests }: z.infer<typeof listed>): Digest[] {
  return (manifests ?? []).map((one) => one.digest);
}

/** "Referrers tag schema" of the OCI distribution specification 1.1. */
function fallbackTag(subject: Digest): string {
  return `sha256-${hexOf(subject)}`;
}

/** Whether a tag only says who refers to whom. */
export function isReferrerTag(tag: string): boolean {
  return /^of-[0-9a-f]{12}-[0-9a-f]{12}$|^sha256-[0-9a-f]{64}$/.test(tag);
}

/** A record as a list of referrers has it. */
export function descriptorOf(bytes: Uint8Array, { artifactType, annotations }: Manifest): Descriptor {
  return {
    mediaType: IMAGE_MANIFEST,
    digest: digestOf(bytes),
    size: bytes.length,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations !== undefined && { annotations }),
  };
}
