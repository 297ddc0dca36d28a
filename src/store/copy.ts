import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { KindName } from '../records/kind.ts';
import { kindOf, kinds } from '../records/kinds.ts';
import type { Manifest } from '../records/oci.ts';
import { packageFacts } from '../records/package.ts';
import { getManifest, readBytes } from './records.ts';
import type { Store } from './store.ts';

/**
 * Copies a record with all that it stands on: its chain of subjects, a Package's server Program, and the Source records
 * of each Program and Release. Parents come first and a record is named last, so that one which can be found is whole.
 * @param withLayers the kinds whose layers come too; of the others only manifest and configuration do
 */
export async function copyRecord(
  from: Store,
  to: Store,
  digest: Digest,
  withLayers: (kind: KindName) => boolean = () => true,
): Promise<void> {
  const found = await getManifest(from, digest);
  if (found === undefined) throw new UserError(`there is no record ${digest} in ${from.location}`);
  const { bytes, manifest } = found;
  const kind = kindOf(manifest.artifactType);
  if (kind === undefined || kind === 'newer') {
    throw new UserError(
      `${digest} in ${from.location} is a record that this version does not know (${manifest.artifactType})`,
    );
  }
  for (const parent of parentsOf(kind, manifest)) await copyRecord(from, to, parent, withLayers);
  if (!(await isWholeIn(to, manifest, digest, withLayers(kind)))) {
    for (const blob of [manifest.config, ...(withLayers(kind) ? manifest.layers : [])])
      await copyBlob(from, to, blob.digest);
    await to.put(bytes, [await tagOf(from, kind, manifest, digest)]);
  }
  if (kind === 'program' || kind === 'release') await copySources(from, to, digest);
}

/** Copies one blob unless it is there; between two folders it is linked. */
export async function copyBlob(from: Store, to: Store, digest: Digest): Promise<void> {
  if (await to.has(digest)) return;
  const file = from.pathOf?.(digest);
  if (file !== undefined && (await from.has(digest))) await to.write({ file, how: 'link' }, digest);
  else await to.write({ stream: await from.read(digest) }, digest);
}

/** What a record stands on, sources aside. */
export function parentsOf(kind: KindName, manifest: Manifest): readonly Digest[] {
  const subject = manifest.subject === undefined ? [] : [manifest.subject.digest];
  const server = kind === 'package' ? packageFacts(manifest).server : undefined;
  return server === undefined ? subject : [...subject, server];
}

async function isWholeIn(
  to: Store,
  manifest: Manifest,
  digest: Digest,
  withLayers: boolean,
): Promise<boolean> {
  if ((await to.get(digest)) === undefined) return false;
  for (const blob of withLayers ? manifest.layers : []) if (!(await to.has(blob.digest))) return false;
  return true;
}

async function copySources(from: Store, to: Store, explained: Digest): Promise<void> {
  for (const child of await from.children(explained)) {
    const found = await getManifest(from, child);
    if (found !== undefined && kindOf(found.manifest.artifactType) === 'source')
      await copyRecord(from, to, child);
  }
}

async function tagOf(store: Store, name: KindName, manifest: Manifest, digest: Digest): Promise<string> {
  const text = (await readBytes(store, manifest.config.digest)).toString('utf8');
  const parse = <C>(kind: {
    schema: { parse(value: unknown): C };
    tag(config: C, digest: Digest): string;
  }): string => kind.tag(kind.schema.parse(JSON.parse(text)), digest);
  switch (name) {
    case 'program':
      return parse(kinds.program);
    case 'source':
      return parse(kinds.source);
    case 'run':
      return parse(kinds.run);
    case 'package':
      return parse(kinds.package);
    case 'release':
      return parse(kinds.release);
    case 'deployment':
      return parse(kinds.deployment);
  }
}
