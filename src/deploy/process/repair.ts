import { rm } from 'node:fs/promises';
import type { Digest } from '../../lib/digest.ts';
import type { Log } from '../../lib/log.ts';
import { copyRecord } from '../../store/copy.ts';
import type { LayoutStore } from '../../store/layout.ts';
import { getManifest } from '../../store/records.ts';
import type { Store } from '../../store/store.ts';

/**
 * Brings again from the store what is damaged or gone of the records on this machine, manifests and configurations: a
 * damaged one, even of long ago, would stop a deploy half-way. What the store does not have either is gone.
 */
export async function repair(here: LayoutStore, store: Store, log: Log): Promise<void> {
  const gone: Digest[] = [];
  for (const digest of new Set((await here.names('')).values()))
    if (!(await isWhole(here, digest, log))) gone.push(digest);
  for (const digest of gone)
    if ((await store.get(digest)) !== undefined) await copyRecord(store, here, digest, () => false);
    else if (await here.has(digest)) {
      log.warning(
        `the record ${digest} is lost: its configuration is gone here, and ${store.location} has none`,
      );
      // Whoever reads the history passes by what has no manifest, and fails at one without its configuration.
      await rm(here.pathOf(digest));
    }
}

async function isWhole(here: LayoutStore, digest: Digest, log: Log): Promise<boolean> {
  await dropDamaged(here, digest, log);
  const found = await getManifest(here, digest);
  if (found === undefined) return false;
  const config = found.manifest.config.digest;
  await dropDamaged(here, config, log);
  return here.has(config);
}

/** Removes a blob whose bytes differ from its digest, so that it is brought again; says whether it did. */
export async function dropDamaged(here: LayoutStore, digest: Digest, log: Log): Promise<boolean> {
  const damaged = await here.dropDamaged(digest);
  if (damaged)
    log.warning(
      `${here.pathOf(digest)} was damaged: its bytes differed from their digest, and it was removed`,
    );
  return damaged;
}
