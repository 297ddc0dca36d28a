import { existsSync } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import { type Digest, digestOf, digestOfFile } from '../lib/digest.ts';
import { tryJson } from '../lib/json.ts';
import { kindOf, kinds } from '../records/kinds.ts';
import { manifest as manifestSchema } from '../records/oci.ts';
import { type BlobFile, type LayoutFolder, listBlobs, makeLayout, pathIn } from './layout-folder.ts';
import { removeLeftovers } from './layout-leftovers.ts';
import { reachOf } from './layout-reach.ts';
import { emptyTrash } from './layout-remove.ts';

/** Registries take no larger manifests; nor is a configuration of ours larger. */
const SMALL = 4 * 2 ** 20;

/**
 * Mends a layout from what lies in it: index and names from each other, and names of whole records that have none. It removes
 * what is damaged, so that it is written again, and what dead writers left. Large blobs that a record lists are not read: who
 * verifies the records reads them.
 * @param now in milliseconds since 1970
 * @returns what it mended, in sentences
 */
export async function repairLayout(folder: LayoutFolder, now: number): Promise<string[]> {
  const { root, location, index } = folder;
  if (!existsSync(root)) return [];
  await makeLayout(root, location);
  const mended = await removeLeftovers(root, now);
  const { manifests, damaged, large } = await lookAt(await listBlobs(root));
  // What was written since it was looked at counts, too.
  const read = async (digest: Digest): Promise<Uint8Array | undefined> =>
    manifests.get(digest) ?? readFile(pathIn(root, digest)).catch(() => undefined);
  for (const { digest, path } of damaged) {
    await rm(path);
    mended.push(`${digest} was damaged, and is removed`);
  }
  mended.push(...(await index.mend()));
  await emptyTrash(folder, read);
  mended.push(...(await dropDangling(folder)));
  mended.push(...(await nameRecords(folder, manifests)));
  const listed = await reachOf((await index.names('')).values(), read);
  for (const { digest, path } of large) {
    if (listed.has(digest) || (await digestOfFile(path)).digest === digest) continue;
    await rm(path);
    mended.push(`${digest} was damaged, and is removed; no record lists it`);
  }
  return mended;
}

/** Reads what is small. */
async function lookAt(blobs: readonly BlobFile[]): Promise<{
  manifests: ReadonlyMap<Digest, Uint8Array>;
  damaged: readonly BlobFile[];
  large: readonly BlobFile[];
}> {
  const manifests = new Map<Digest, Uint8Array>();
  const damaged: BlobFile[] = [];
  const large: BlobFile[] = [];
  for (const blob of blobs) {
    if ((await stat(blob.path)).size > SMALL) {
      large.push(blob);
      continue;
    }
    const bytes = await readFile(blob.path);
    if (digestOf(bytes) !== blob.digest) damaged.push(blob);
    else if (bytes.includes('"schemaVersion"')) manifests.set(blob.digest, bytes);
  }
  return { manifests, damaged, large };
}

/** A name without its record would be found, and lead nowhere. */
async function dropDangling({ index }: LayoutFolder): Promise<string[]> {
  return [...(await index.dropDangling())].map(
    ([name, digest]) =>
      `the name ${name} is removed, because its record ${digest} is not here; run the stage that made it again`,
  );
}

/** A writer that died before it named its record left it whole. */
async function nameRecords(
  { root, index }: LayoutFolder,
  manifests: ReadonlyMap<Digest, Uint8Array>,
): Promise<string[]> {
  const names = await index.names('');
  const named = new Set(names.values());
  const given: string[] = [];
  for (const [digest, bytes] of manifests) {
    const { data } = manifestSchema.safeParse(tryJson(Buffer.from(bytes).toString('utf8')));
    const kind = kindOf(data?.artifactType);
    if (named.has(digest) || data === undefined || kind === undefined || kind === 'newer') continue;
    if (![data.config, ...data.layers].every((blob) => existsSync(pathIn(root, blob.digest)))) continue;
    const config = tryJson(await readFile(pathIn(root, data.config.digest), 'utf8'));
    if (!kinds[kind].schema.safeParse(config).success) continue;
    const tag = kinds[kind].tagOf(config, digest);
    if (names.has(tag)) continue;
    const { mediaType, artifactType } = data;
    await index.add({ mediaType, digest, size: bytes.length, artifactType }, [tag]);
    given.push(`${tag} had lost its name, and has it again`);
  }
  return given;
}
