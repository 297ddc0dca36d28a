import pLimit from 'p-limit';
import type { Blob, Digest } from '../lib/digest.ts';
import { messageOf, UserError, userErrors } from '../lib/errors.ts';
import { tryJson } from '../lib/json.ts';
import type { KindName } from '../records/kind.ts';
import { kindOf, kinds } from '../records/kinds.ts';
import { index, manifestOf } from '../records/oci.ts';
import { isForeign, linksOf } from '../store/links.ts';
import { readConfig, unknownRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { type Facts, factsOf } from './facts.ts';

const AT_ONCE = 8;

/** A record in a store, or what another tool keeps there, with all that decides whether it stays. */
export interface Item extends Facts {
  readonly digest: Digest;
  readonly kind: KindName | 'image' | 'index';
  /** Its own name among them. */
  readonly names: readonly string[];
  /** What the record holds on to: its manifest, its configuration and its files. */
  readonly blobs: readonly Blob[];
  /** What must stay when it stays. */
  readonly needs: readonly Digest[];
  /** What it explains or is attached to: it stays and goes with that. */
  readonly follows?: Digest;
  /** When it was put into the store last, in milliseconds since 1970; undefined where the store does not know. */
  readonly givenAt: number | undefined;
}

export type Inventory = ReadonlyMap<Digest, Item>;

/**
 * Reads everything that has a name.
 * @throws UserError when something cannot be read: what it stands on would be lost unseen
 */
export async function takeInventory(store: Store): Promise<Inventory> {
  const byDigest = new Map<Digest, string[]>();
  for (const [name, digest] of await store.names(''))
    byDigest.set(digest, [...(byDigest.get(digest) ?? []), name]);
  if (byDigest.size === 0) throw new UserError(`${store.location} holds no records; is it the right store?`);
  const times = (await store.namedAt?.()) ?? new Map<string, number>();
  const problems: string[] = [];
  const items = await pLimit(AT_ONCE).map([...byDigest], async ([digest, names]) => {
    const given = names.map((name) => times.get(name)).filter((time) => time !== undefined);
    const givenAt = given.length === 0 ? undefined : Math.max(...given);
    try {
      return [await readItem(store, digest, names, givenAt)];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(`${names[0]}: ${messageOf(error)}`);
      return [];
    }
  });
  if (problems.length === 0) return new Map(items.flat().map((item) => [item.digest, item]));
  throw userErrors(
    `${store.location} is not pruned, because what these records stand on cannot be known (verify with repair: true mends what can be mended)`,
    problems,
  );
}

async function readItem(
  store: Store,
  digest: Digest,
  names: readonly string[],
  givenAt: number | undefined,
): Promise<Item> {
  const bytes = await store.get(digest);
  if (bytes === undefined) throw new UserError(`its record ${digest} is not in ${store.location}`);
  const own = { digest, size: bytes.length };
  const common = { digest, names, givenAt };
  const members = index.safeParse(tryJson(Buffer.from(bytes).toString()));
  if (members.success)
    return {
      ...common,
      kind: 'index',
      blobs: [own],
      needs: members.data.manifests.map(({ digest }) => digest),
    };
  const manifest = manifestOf(bytes, `${store.location}: ${digest}`);
  const { artifactType, subject } = manifest;
  const blobs = [own, manifest.config, ...manifest.layers];
  const kind = kindOf(artifactType);
  if (kind === 'newer') throw unknownRecord(digest, artifactType);
  const attached = {
    needs: subject === undefined ? [] : [subject.digest],
    ...(subject !== undefined && { follows: subject.digest }),
  };
  if (kind === undefined || isForeign(kind, manifest))
    return { ...common, kind: 'image', blobs, ...attached };
  if (kind === 'source') return { ...common, kind, blobs, ...attached };
  const config = await readConfig<unknown>(store, kinds[kind], digest, manifest);
  const needs = linksOf(kind, manifest, config).map(({ to }) => to);
  return { ...common, kind, blobs, needs, ...factsOf(kind, digest, manifest, config) };
}
