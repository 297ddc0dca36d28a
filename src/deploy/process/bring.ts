import type { Digest } from '../../lib/digest.ts';
import type { Log } from '../../lib/log.ts';
import type { Stored } from '../../records/kind.ts';
import type { ReleaseConfig } from '../../records/release.ts';
import { copyRecord } from '../../store/copy.ts';
import type { LayoutStore } from '../../store/layout.ts';
import type { Store } from '../../store/store.ts';
import { readParts } from '../parts.ts';
import { dropDamaged } from './repair.ts';

/** Brings a release with its package and server to the machine, of what they stand on manifest and configuration. */
export async function fetchRelease(
  from: Store,
  to: Store,
  { digest, config }: Stored<ReleaseConfig>,
): Promise<void> {
  await copyRecord(from, to, digest, (kind) => kind === 'release' || kind === 'package');
  await copyRecord(from, to, config.server);
}

/**
 * Whether a release can be started from this machine alone. One without its name was left by a deploy that was killed, and
 * does not count.
 */
export async function isComplete(here: LayoutStore, digest: Digest): Promise<boolean> {
  if (![...(await here.names('release-')).values()].includes(digest)) return false;
  for (const blob of await layersOf(here, digest)) if (!(await here.has(blob))) return false;
  return true;
}

/** Removes what is damaged of the bytes that a release is served from; says whether there was any. */
export async function dropDamagedLayers(here: LayoutStore, digest: Digest, log: Log): Promise<boolean> {
  let found = false;
  for (const blob of await layersOf(here, digest)) found = (await dropDamaged(here, blob, log)) || found;
  return found;
}

async function layersOf(store: Store, digest: Digest): Promise<Digest[]> {
  const { modelPack, server } = await readParts(store, digest);
  return [modelPack, server].flatMap(({ manifest }) => manifest.layers).map((layer) => layer.digest);
}
