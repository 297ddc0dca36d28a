import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Digest, hexOf } from '../lib/digest.ts';
import { codeOf, MachineError } from '../lib/errors.ts';
import { kindOf } from '../records/kinds.ts';
import { manifestOf, subjectIn } from '../records/oci.ts';
import { type BlobFile, blobsIn, filesIn, type LayoutFolder, listBlobs, pathIn } from './layout-folder.ts';
import { digestsIn, reachOf } from './layout-reach.ts';
import type { Removed } from './store.ts';

/** What was written within this time is left alone: somebody may be about to name it. */
export const GRACE_MS = 24 * 3600 * 1000;
/** How long a writer waits for what a prune at the same time puts back. */
const PATIENCE_MS = 10_000;

type Read = (digest: Digest) => Promise<Uint8Array | undefined>;

/**
 * Removes records from a layout: first their names, then their manifests and all blobs that nobody lists any more. Writers may be
 * at work meanwhile, and no lock stops them. So what is to go is first set aside, then the names are read once more, and what
 * somebody has named since is put back; who names something later finds that it is gone, and fails (`confirmPresence`). A prune
 * that dies leaves names without records nowhere, and its folder to the next one.
 * @param read gives a manifest, verified
 * @param now in milliseconds since 1970
 */
export async function removeFrom(
  { root, index }: LayoutFolder,
  digests: ReadonlySet<Digest>,
  read: Read,
  now: number,
): Promise<Removed> {
  const since = now - GRACE_MS;
  const known = new Map<Digest, Uint8Array>();
  const readOnce: Read = async (digest) => {
    const bytes = known.get(digest) ?? (await read(digest)) ?? (await readAside(root, digest));
    if (bytes !== undefined) known.set(digest, bytes);
    return bytes;
  };
  const reach = async (): Promise<Set<Digest>> => {
    const named = new Set((await index.names('')).values());
    const reached = await reachOf(named, readOnce, (digest) => digests.has(digest));
    // What explains a record that was to go and stays, stays with it.
    for (const digest of digests) {
      const explained = explainedBy(known.get(digest));
      if (explained !== undefined && digests.has(explained) && reached.has(explained))
        for (const held of await reachOf([digest], readOnce)) reached.add(held);
    }
    return reached;
  };
  // Whatever cannot be read stops this before anything has changed.
  for (const digest of digests) await readOnce(digest);
  await reach();

  const names = await index.remove(digests, since);
  const listed = await reach();
  const trash = join(root, 'tmp', `prune-${randomBytes(8).toString('hex')}`);
  for (const { digest, path } of await listBlobs(root))
    if (!listed.has(digest) && (digests.has(digest) || (await isOlder(path, since))))
      await setAside(path, trash);
  const aside = await listAside(root);
  const needed = await reach();
  const bytes = await empty(root, aside, needed);
  for (const [name, entry] of names)
    if (needed.has(entry.digest) && name !== entry.digest) await index.add(entry, [name]);
  // A writer that had read the index before may have written these names into it again.
  await index.forget(new Set([...digests].filter((digest) => !needed.has(digest))));
  return { bytes };
}

/** Puts back what is needed of that which prunes have set aside and left, and removes the rest. */
export async function emptyTrash(folder: LayoutFolder, read: Read): Promise<void> {
  const { root, index } = folder;
  const aside = await listAside(root);
  const named = new Set((await index.names('')).values());
  const needed = await reachOf(named, async (digest) => (await read(digest)) ?? readAside(root, digest));
  await empty(root, aside, needed);
}

/**
 * Makes sure that what a record needs is still here once it is named: a prune may have removed it meanwhile.
 * @param counted what the writer was told that it need not write
 * @throws MachineError when something is gone
 */
export async function confirmPresence(
  { root, location }: LayoutFolder,
  digest: Digest,
  manifest: Uint8Array,
  counted: ReadonlySet<Digest>,
): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (const held of [digest, ...digestsIn(manifest).filter((one) => counted.has(one))]) {
    const isHere = (): boolean => existsSync(pathIn(root, held));
    while (!isHere()) {
      const isAside = (await trashFolders(root)).length > 0 && Date.now() < end;
      if (!isAside && !isHere())
        throw new MachineError(
          `${location}: ${held} was removed, by a prune perhaps, while the record ${digest} was written, which needs it; run this again`,
        );
      await sleep(20);
    }
  }
}

/** Of a Source. */
function explainedBy(manifest: Uint8Array | undefined): Digest | undefined {
  const subject = manifest && subjectIn(manifest);
  if (manifest === undefined || subject === undefined) return undefined;
  return kindOf(manifestOf(manifest, '').artifactType) === 'source' ? subject : undefined;
}

/** Links and renames change a file's status, so that one which was moved in a moment ago is young however old its bytes are. */
async function isOlder(path: string, since: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Math.max(found.ctimeMs, found.mtimeMs) <= since;
}

async function setAside(path: string, trash: string): Promise<void> {
  for (let left = 3; left > 0; left--) {
    await mkdir(trash, { recursive: true });
    try {
      return await rename(path, join(trash, basename(path)));
    } catch (error) {
      // Another prune took the blob, or the folder while it was empty.
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
}

/** Whether a folder in `tmp/` is a prune's. */
export function isTrash(name: string): boolean {
  return name.startsWith('prune-');
}

async function trashFolders(root: string): Promise<string[]> {
  const names = await filesIn(join(root, 'tmp'));
  return names.filter(isTrash).map((name) => join(root, 'tmp', name));
}

/** All that prunes have set aside, this one and those that died. */
async function listAside(root: string): Promise<BlobFile[]> {
  return (await Promise.all((await trashFolders(root)).map(blobsIn))).flat();
}

async function readAside(root: string, digest: Digest): Promise<Uint8Array | undefined> {
  for (const folder of await trashFolders(root)) {
    const bytes = await readFile(join(folder, hexOf(digest))).catch(() => undefined);
    if (bytes !== undefined) return bytes;
  }
  return undefined;
}

/** @returns how many bytes have no name left on the disk */
async function empty(root: string, aside: readonly BlobFile[], needed: ReadonlySet<Digest>): Promise<number> {
  let bytes = 0;
  for (const { digest, path } of aside) {
    // Another prune may be at the same folder.
    const found = await stat(path).catch(() => undefined);
    if (found === undefined) continue;
    if (needed.has(digest)) await rename(path, pathIn(root, digest)).catch(() => {});
    else await rm(path, { force: true });
    if (!needed.has(digest) && found.nlink === 1) bytes += found.size;
  }
  for (const folder of await trashFolders(root)) await rmdir(folder).catch(() => {});
  return bytes;
}
