import type { Blob, Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { inParallel } from '../lib/in-parallel.ts';
import type { KindName } from '../records/kind.ts';
import { kindOf, kinds } from '../records/kinds.ts';
import type { Descriptor, Manifest } from '../records/oci.ts';
import { packageFacts } from '../records/package.ts';
import { getManifest, readConfig, unknownRecord } from './records.ts';
import { AT_ONCE, type Store } from './store.ts';

/**
 * Copies a record with all that it stands on: its chain of subjects, a Package's server Program, and the Source records
 * of each Program and Release. A record is named last, and after its parents, so that one which can be found is whole.
 * @param withLayers the kinds whose layers come too; of the others only manifest and configuration do
 */
export async function copyRecord(
  from: Store,
  to: Store,
  digest: Digest,
  withLayers: (kind: KindName) => boolean = () => true,
): Promise<void> {
  const record = await readAny(from, digest);
  const copyParents = async (): Promise<void> => {
    for (const parent of parentsOf(record.kind, record.manifest))
      await copyRecord(from, to, parent, withLayers);
  };
  await copyAlone(from, to, record, withLayers(record.kind), copyParents);
  if (record.kind !== 'program' && record.kind !== 'release') return;
  for (const source of await sourcesOf(from, digest)) await copyAlone(from, to, source, true);
}

/** Copies one blob unless it is there; its bytes are moved only where the stores cannot link or mount it. */
export async function copyBlob(from: Store, to: Store, blob: Blob): Promise<void> {
  const { digest, size } = blob;
  if (await to.has(digest)) return;
  if (await to.take(from, blob)) return;
  const written = await to.write({ open: () => from.read(digest), size }, digest);
  if (written.size === size) return;
  throw new UserError(
    `${from.location}: a record says that ${digest} has ${size} bytes, and it has ${written.size}; run the stage that made the record again`,
  );
}

/** What a record stands on, sources aside. */
export function parentsOf(kind: KindName, manifest: Manifest): readonly Digest[] {
  const subject = manifest.subject === undefined ? [] : [manifest.subject.digest];
  const server = kind === 'package' ? packageFacts(manifest).server : undefined;
  return server === undefined ? subject : [...subject, server];
}

/** A record is named last, so one that is named only ever lacks layers that were not asked for before. */
async function isWholeIn(
  to: Store,
  tag: string,
  digest: Digest,
  blobs: readonly Descriptor[],
): Promise<boolean> {
  if ((await to.resolve(tag)) !== digest || (await to.get(digest)) === undefined) return false;
  for (const blob of blobs) if (!(await to.has(blob.digest))) return false;
  return true;
}

/** A manifest of a kind that this version knows. */
interface Found {
  readonly digest: Digest;
  readonly kind: KindName;
  readonly bytes: Uint8Array;
  readonly manifest: Manifest;
}

async function readAny(store: Store, digest: Digest): Promise<Found> {
  const found = await getManifest(store, digest);
  if (found === undefined) throw new UserError(`there is no record ${digest} in ${store.location}`);
  const kind = kindOf(found.manifest.artifactType);
  if (kind !== undefined && kind !== 'newer') return { digest, kind, ...found };
  throw unknownRecord(digest, found.manifest.artifactType);
}

/** @param copyParents goes on while blobs do, of which large ones take their time */
async function copyAlone(
  from: Store,
  to: Store,
  record: Found,
  withLayers: boolean,
  copyParents: () => Promise<void> = async () => {},
): Promise<void> {
  const { digest, manifest } = record;
  const kind = kinds[record.kind];
  const tag = kind.tagOf(await readConfig<unknown>(from, kind, digest, manifest), digest);
  const blobs = [manifest.config, ...(withLayers ? manifest.layers : [])];
  if (await isWholeIn(to, tag, digest, blobs)) return copyParents();
  // The same bytes may be in it twice.
  const once = new Map(blobs.map((blob) => [blob.digest, blob]));
  const copies = [...once.values()].map((blob) => () => copyBlob(from, to, blob));
  await inParallel([copyParents, ...copies], AT_ONCE, (copy) => copy());
  await to.put(record.bytes, [tag]);
}

async function sourcesOf(store: Store, explained: Digest): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const child of await store.children(explained)) {
    const manifest = await getManifest(store, child);
    if (manifest !== undefined && kindOf(manifest.manifest.artifactType) === 'source')
      found.push({ digest: child, kind: 'source', ...manifest });
  }
  return found;
}
