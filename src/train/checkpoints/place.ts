import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Digest, hexOf } from '../../lib/digest.ts';
import { changedMeanwhile } from '../../lib/file-state.ts';
import { inParallel } from '../../lib/in-parallel.ts';
import {
  CHECKPOINT_LAYER,
  type CheckpointConfig,
  checkpoint,
  checkpointPrefix,
} from '../../records/checkpoint.ts';
import type { Stored } from '../../records/kind.ts';
import type { CheckpointMark } from '../../records/run.ts';
import { LayoutStore } from '../../store/layout.ts';
import { findRecord, layer, putRecord } from '../../store/records.ts';
import { AT_ONCE, type Store } from '../../store/store.ts';
import { isDamage } from './damage.ts';
import { type Entry, look } from './scan.ts';

/** No other writer is in a training's own folder, so nothing there waits for its name. */
const NOW_AND_LATER = Number.MAX_SAFE_INTEGER;

export type Checkpoint = Stored<CheckpointConfig>;

/** Where the checkpoints of one training are durable: a folder of its own, or records among others in a repository. */
export interface Place {
  readonly trainingId: Digest;
  readonly store: Store;
  /** The folder of this training; undefined in a repository. */
  readonly folder: string | undefined;
}

/**
 * Opens the place of a training's checkpoints; nothing is asked or made yet.
 * @param value a folder, or `oci://HOST/REPOSITORY`
 * @param openStore opens a store in a repository, with what credentials the machine has
 */
export async function openPlace(
  value: string,
  trainingId: Digest,
  openStore: (value: string, what: string) => Promise<Store>,
): Promise<Place> {
  if (value.startsWith('oci://'))
    return { trainingId, store: await openStore(value, 'checkpoints'), folder: undefined };
  const folder = join(value, hexOf(trainingId));
  return { trainingId, store: new LayoutStore(folder), folder };
}

/** Mends what can be mended, and removes what writers left that died; what it did, in sentences. Only for who holds the lock. */
export async function mendPlace({ folder }: Place): Promise<readonly string[]> {
  return folder === undefined ? [] : new LayoutStore(folder).repair(NOW_AND_LATER);
}

/**
 * The durable checkpoints of a training, the newest first. What cannot be read as one is given to `onDamaged` and left out.
 * @throws what keeps the place from being read at all
 */
export async function listCheckpoints(
  { store, trainingId }: Place,
  onDamaged: (name: string, error: unknown) => void,
): Promise<Checkpoint[]> {
  const names = [...(await store.names(checkpointPrefix(trainingId)))].sort(([a], [b]) => (a < b ? 1 : -1));
  const found: Checkpoint[] = [];
  for (const [name, digest] of names) {
    const record = await findRecord(store, checkpoint, digest).catch((error: unknown) => {
      if (!isDamage(error)) throw error;
      onDamaged(name, error);
    });
    if (record?.config.trainingId === trainingId) found.push(record);
  }
  return found;
}

/**
 * Makes an entry of the program's folder durable: every file first, the record that names them last. Files that an earlier
 * checkpoint has, too, are kept once.
 * @param isGentle the program is at work, and is not to be slowed down
 * @throws UserError when the program writes to it meanwhile
 */
export async function saveCheckpoint(
  place: Place,
  folder: string,
  entry: Entry,
  config: CheckpointConfig,
  isGentle = false,
): Promise<Checkpoint> {
  const { store } = place;
  const layers = await inParallel(entry.files, AT_ONCE, async ({ path }) => {
    const file = entry.form === 'file' ? join(folder, entry.name) : join(folder, entry.name, path);
    return layer(CHECKPOINT_LAYER, await store.write({ file, how: 'copy', isGentle }), path);
  });
  // A file may have come, gone or changed after its turn.
  if ((await look(folder, entry.name))?.key !== entry.key) throw changedMeanwhile(entry.name);
  await syncFolders(place, ['blobs/sha256']);
  const record = await putRecord(store, checkpoint, { config, layers });
  await syncFolders(place, ['blobs/sha256', 'refs', '.', '..']);
  return record;
}

/** Removes checkpoints of a training, and what only they held. */
export async function removeCheckpoints({ store }: Place, all: readonly Checkpoint[]): Promise<void> {
  if (all.length > 0) await store.remove?.(new Set(all.map(({ digest }) => digest)), NOW_AND_LATER);
}

/** Removes all that a finished training has kept. */
export async function removePlace(place: Place): Promise<void> {
  if (place.folder === undefined) await removeCheckpoints(place, await listCheckpoints(place, () => {}));
  else await rm(place.folder, { recursive: true, force: true });
}

/** How Runs name a durable checkpoint. */
export function markOf({ digest, config }: Checkpoint): CheckpointMark {
  const { name, step, madeAt } = config;
  return { digest, name, ...(step !== undefined && { step }), madeAt };
}

/** A file that is on the disk is lost with its name all the same, until its folder is there, too. */
async function syncFolders({ folder }: Place, parts: readonly string[]): Promise<void> {
  if (folder === undefined) return;
  for (const part of parts) {
    const handle = await open(join(folder, part), 'r');
    await handle.sync().finally(() => handle.close());
  }
}
