import type { Readable } from 'node:stream';
import { type Blob, type Digest, digestOf } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { canonicalBytes, tryJson } from '../lib/json.ts';
import type { Kind, Stored } from '../records/kind.ts';
import { kindOf, kinds } from '../records/kinds.ts';
import {
  type Descriptor,
  EMPTY,
  EMPTY_LAYER,
  IMAGE_MANIFEST,
  type Manifest,
  manifestOf,
  TITLE,
} from '../records/oci.ts';
import type { Store } from './store.ts';

/** In bytes: a configuration is read into memory, and none of ours is larger. */
export const LARGEST_CONFIG = 4 * 2 ** 20;

/** What a stage says of a new record; layers and subject must be in the store, or known to be elsewhere. */
export interface NewRecord<C> {
  readonly config: C;
  readonly layers: readonly Descriptor[];
  readonly subject?: { readonly digest: Digest; readonly size: number; readonly manifest: Manifest };
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A layer of one file, with its path. */
export function layer(
  mediaType: string,
  blob: Blob,
  path: string,
  annotations: Readonly<Record<string, string>> = {},
): Descriptor {
  return { mediaType, ...blob, annotations: { [TITLE]: path, ...annotations } };
}

/** Writes configuration and manifest, and names the record. The same record has the same digest. */
export async function putRecord<C>(store: Store, kind: Kind<C>, record: NewRecord<C>): Promise<Stored<C>> {
  const [blob, layers] = await Promise.all([
    store.write({ bytes: canonicalBytes(record.config) }),
    record.layers.length > 0 ? [...record.layers] : emptyLayer(store),
  ]);
  const { subject } = record;
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: IMAGE_MANIFEST,
    artifactType: kind.artifactType,
    config: { mediaType: kind.configType, ...blob },
    layers,
    ...(subject && { subject: { mediaType: IMAGE_MANIFEST, digest: subject.digest, size: subject.size } }),
    ...(record.annotations && { annotations: { ...record.annotations } }),
  };
  const bytes = canonicalBytes(manifest);
  const digest = await store.put(bytes, [kind.tag(record.config, digestOf(bytes))]);
  return { digest, size: bytes.length, manifest, config: record.config };
}

async function emptyLayer(store: Store): Promise<Descriptor[]> {
  await store.write({ bytes: EMPTY });
  return [EMPTY_LAYER];
}

/** Reads a manifest of any kind, verified. */
export async function getManifest(
  store: Store,
  digest: Digest,
): Promise<{ bytes: Uint8Array; manifest: Manifest } | undefined> {
  const bytes = await store.get(digest);
  return bytes && { bytes, manifest: manifestOf(bytes, `${store.location}: ${digest}`) };
}

/** Reads a record, or undefined when the store does not have it. Another kind is a user's mistake. */
export async function findRecord<C>(
  store: Store,
  kind: Kind<C>,
  digest: Digest,
): Promise<Stored<C> | undefined> {
  const found = await getManifest(store, digest);
  if (found === undefined) return undefined;
  const { bytes, manifest } = found;
  if (manifest.artifactType !== kind.artifactType) throw notThatKind(kind, digest, manifest.artifactType);
  return { digest, size: bytes.length, manifest, config: await readConfig(store, kind, digest, manifest) };
}

/** Reads a record's configuration. @throws UserError when it is not one of this kind, in a form that this version reads */
export async function readConfig<C>(
  store: Store,
  kind: Pick<Kind<C>, 'name' | 'schema'>,
  digest: Digest,
  manifest: Manifest,
): Promise<C> {
  const bytes = await readBytes(store, manifest.config.digest, LARGEST_CONFIG);
  return parseConfig(bytes, kind, `${digest} in ${store.location}`);
}

/** The same of its bytes; `place` says in the error whose they are. */
export function parseConfig<C>(
  bytes: Buffer,
  { name, schema }: Pick<Kind<C>, 'name' | 'schema'>,
  place: string,
): C {
  const parsed = schema.safeParse(tryJson(bytes.toString('utf8')));
  if (parsed.success) return parsed.data;
  const why = parsed.error.issues.map(({ path, message }) =>
    [path.join('.'), message].filter(Boolean).join(': '),
  );
  throw new UserError(`${place} is not a ${name} that this version reads: ${why.join('; ')}`);
}

/** Reads a record that must be in one of these stores, the first that has it. */
export async function getRecord<C>(
  stores: Store | readonly Store[],
  kind: Kind<C>,
  digest: Digest,
): Promise<Stored<C>> {
  const all = 'location' in stores ? [stores] : stores;
  for (const store of all) {
    const found = await findRecord(store, kind, digest);
    if (found !== undefined) return found;
  }
  const places = [...new Set(all.map((store) => store.location))].join(', nor in ');
  throw new UserError(
    `there is no ${kind.name} ${digest} in ${places}. Check the digest, and that the stage that made it wrote to the same store`,
  );
}

/** A small blob as bytes, verified. @throws UserError when it has more than `most` */
export async function readBytes(
  store: Store,
  digest: Digest,
  most = Number.POSITIVE_INFINITY,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  const stream: Readable = await store.read(digest);
  for await (const chunk of stream) {
    size += chunk.length;
    // Leaving the loop ends the stream.
    if (size > most)
      throw new UserError(
        `${store.location}: ${digest} has more than ${most} bytes, and no record's configuration has so many`,
      );
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The error for a record that no part of this version can read. */
export function unknownRecord(digest: Digest, artifactType: string | undefined): UserError {
  return new UserError(
    kindOf(artifactType) === 'newer'
      ? `${digest} was written by a newer Trainyard (${artifactType}); use that version, or a later one, here too`
      : `${digest} is not a record of Trainyard (${artifactType ?? 'no artifactType'})`,
  );
}

function notThatKind(kind: Kind<unknown>, digest: Digest, artifactType: string | undefined): UserError {
  const found = kindOf(artifactType);
  if (found === 'newer') return unknownRecord(digest, artifactType);
  const what =
    found === undefined ? `not a record of Trainyard (${artifactType ?? 'no artifactType'})` : `a ${found}`;
  return new UserError(
    `${digest} is ${what}, but a ${kind.name} (${kinds[kind.name].artifactType}) is needed here`,
  );
}
