import type { Digest } from '../lib/digest.ts';
import { messageOf, UserError } from '../lib/errors.ts';
import { tryJson } from '../lib/json.ts';
import type { KindName } from '../records/kind.ts';
import { kindOf, kinds } from '../records/kinds.ts';
import { type Descriptor, index, type Manifest, manifestOf } from '../records/oci.ts';
import { isForeign, type Link, linksOf, SUBJECTS } from '../store/links.ts';
import { getManifest, LARGEST_CONFIG, parseConfig, readBytes, unknownRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';

/** What a manifest turned out to be, and what is wrong with it. */
export interface Looked {
  readonly digest: Digest;
  /** What another tool wrote is an `image` or an `index`; undefined for what cannot be read. */
  readonly kind: KindName | 'image' | 'index' | undefined;
  /** Of a Program. */
  readonly role?: 'trainer' | 'server';
  /** Of the manifest, in bytes. */
  readonly size: number;
  /** The configuration first, then the layers. */
  readonly blobs: readonly Descriptor[];
  readonly links: readonly Link[];
  readonly problems: readonly string[];
}

/** A record's manifest; undefined when there is none, or none that can be read. */
export async function manifestIn(store: Store, digest: Digest): Promise<Manifest | undefined> {
  try {
    return (await getManifest(store, digest))?.manifest;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Reads a manifest with its configuration; undefined when it is not in the store. */
export async function lookAt(store: Store, digest: Digest): Promise<Looked | undefined> {
  const nothing = { digest, kind: undefined, size: 0, blobs: [], links: [] };
  try {
    const bytes = await store.get(digest);
    if (bytes === undefined) return undefined;
    const members = index.safeParse(tryJson(Buffer.from(bytes).toString()));
    if (members.success) {
      const links = members.data.manifests.map(({ digest: to, size }) => ({
        to,
        size,
        as: ['member'] as const,
      }));
      return { ...nothing, kind: 'index', size: bytes.length, links, problems: [] };
    }
    return await lookAtImage(store, digest, bytes, manifestOf(bytes, store.location));
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { ...nothing, problems: [messageOf(error)] };
  }
}

async function lookAtImage(
  store: Store,
  digest: Digest,
  bytes: Uint8Array,
  manifest: Manifest,
): Promise<Looked> {
  const { artifactType, subject } = manifest;
  const kind = kindOf(artifactType);
  const looked = { digest, size: bytes.length, blobs: [manifest.config, ...manifest.layers], links: [] };
  if (kind === 'newer')
    return { ...looked, kind: undefined, problems: [messageOf(unknownRecord(digest, artifactType))] };
  if (kind === undefined || isForeign(kind, manifest)) return { ...looked, kind: 'image', problems: [] };
  const problems: string[] = [];
  if (subject === undefined && SUBJECTS[kind].length > 0)
    problems.push(`it names no parent, and a ${kind} stands on a ${SUBJECTS[kind].join(' or ')}`);
  const config = await configOf(store, kind, manifest, problems);
  const role = kind === 'program' ? kinds.program.schema.safeParse(config).data?.role : undefined;
  const links = told(() => linksOf(kind, manifest, config), problems) ?? [];
  return { ...looked, kind, ...(role !== undefined && { role }), links, problems };
}

/** Undefined when there is none of this kind; one that is missing or damaged is told with the blobs. */
async function configOf(
  store: Store,
  kind: KindName,
  { config }: Manifest,
  problems: string[],
): Promise<unknown> {
  const { configType } = kinds[kind];
  if (config.mediaType !== configType)
    problems.push(`its configuration is of the type ${config.mediaType}, and a ${kind}'s is ${configType}`);
  if (config.size > LARGEST_CONFIG)
    problems.push(`its configuration has ${config.size} bytes, and no record's has so many`);
  const bytes = await readBytes(store, config.digest, LARGEST_CONFIG).catch(() => undefined);
  return bytes && told(() => parseConfig<unknown>(bytes, kinds[kind], 'its configuration'), problems);
}

/** What a user's mistake leaves undone, told among the problems. */
function told<T>(work: () => T, problems: string[]): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    problems.push(messageOf(error));
    return undefined;
  }
}
