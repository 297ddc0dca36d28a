import { readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Digest, hexOf } from '../../lib/digest.ts';
import { deployment } from '../../records/deployment.ts';
import { getManifest } from '../../store/records.ts';
import { readParts } from '../parts.ts';
import type { State } from './state.ts';

/** Environments that were used last, for a rollback without an index of packages. */
const ENVIRONMENTS = 3;

/**
 * Removes what no kept release needs: the bytes of older models and servers, folders of servers that are gone, and
 * environments but the newest. Every record stays, as manifest and configuration. Nobody else may write the state meanwhile.
 * @param inUse folders that a server was started from
 */
export async function prune(
  { store, releases, environments }: State,
  kept: readonly Digest[],
  inUse: readonly string[],
): Promise<void> {
  const blobs = new Set<string>();
  const keep = (digests: readonly Digest[]): void => {
    for (const digest of digests) blobs.add(hexOf(digest));
  };
  for (const digest of (await store.names('')).values()) {
    const found = await getManifest(store, digest);
    if (found === undefined) continue;
    keep([digest, found.manifest.config.digest]);
    if (found.manifest.artifactType === deployment.artifactType)
      keep(found.manifest.layers.map((layer) => layer.digest));
  }
  for (const digest of kept) {
    if ((await store.get(digest)) === undefined) continue;
    const { release, modelPack, server } = await readParts(store, digest);
    for (const record of [release, modelPack, server])
      keep([
        record.digest,
        ...[record.manifest.config, ...record.manifest.layers].map((blob) => blob.digest),
      ]);
  }
  const folder = dirname(store.pathOf(`sha256:${'0'.repeat(64)}`));
  await removeFrom(folder, (name) => !blobs.has(name));
  await removeFrom(releases, (name) => !inUse.includes(join(releases, name)));
  const recent = await newest(environments, ENVIRONMENTS);
  const needed = (name: string) => recent.includes(name) || inUse.includes(join(environments, name));
  await removeFrom(environments, (name) => !needed(name));
}

async function removeFrom(folder: string, unwanted: (name: string) => boolean): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    if (unwanted(name)) await rm(join(folder, name), { recursive: true, force: true });
}

/** Nobody makes one now, so what is half made is what a deploy that was killed left, and counts as none. */
async function newest(folder: string, count: number): Promise<string[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => !name.endsWith('.tmp'));
  const dated = await Promise.all(
    names.map(async (name) => ({ name, time: (await stat(join(folder, name))).mtimeMs })),
  );
  return dated
    .sort((a, b) => b.time - a.time)
    .slice(0, count)
    .map(({ name }) => name);
}
