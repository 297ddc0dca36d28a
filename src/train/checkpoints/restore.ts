import { createWriteStream } from 'node:fs';
import { chmod, mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { differs, hexOf } from '../../lib/digest.ts';
import { messageOf } from '../../lib/errors.ts';
import { hashFile } from '../../lib/hash-file.ts';
import { inParallel } from '../../lib/in-parallel.ts';
import type { Log } from '../../lib/log.ts';
import { type Descriptor, TITLE } from '../../records/oci.ts';
import { AT_ONCE, type Store } from '../../store/store.ts';
import { isDamage } from './damage.ts';
import { type Checkpoint, listCheckpoints, type Place } from './place.ts';

/** A checkpoint that the program may go on from. */
export interface Restored {
  readonly checkpoint: Checkpoint;
  /** Its copy in the program's folder. */
  readonly path: string;
}

/**
 * Puts the newest checkpoint whose bytes are all right into the program's folder, under its name. One that is damaged is told and
 * passed over for the one before. Undefined when there is none.
 * @param folder the program's checkpoint folder
 * @throws what says nothing of the checkpoint, such as a disk that is full or a registry that does not answer
 */
export async function restore(
  place: Place,
  folder: string,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<Restored | undefined> {
  const all = await listCheckpoints(place, (name, error) => tellDamaged(log, name, error));
  for (const checkpoint of all) {
    signal.throwIfAborted();
    const { name, sequence } = checkpoint.config;
    const temporary = join(folder, `.restored-${sequence}`);
    try {
      await bring(place.store, checkpoint, temporary);
      const path = join(folder, name);
      await rename(checkpoint.config.form === 'file' ? join(temporary, name) : temporary, path);
      log.info(`going on from checkpoint ${name} of ${checkpoint.config.madeAt}`);
      return { checkpoint, path };
    } catch (error) {
      signal.throwIfAborted();
      if (!isDamage(error)) throw error;
      tellDamaged(log, name, error);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
  return undefined;
}

function tellDamaged(log: Log, name: string, error: unknown): void {
  log.warning(`checkpoint ${name} is damaged, and is passed over for the one before: ${messageOf(error)}`);
}

async function bring(store: Store, { manifest }: Checkpoint, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await inParallel(manifest.layers, AT_ONCE, async (one) => {
    const file = join(folder, pathOf(one));
    await mkdir(dirname(file), { recursive: true });
    await bringFile(store, one, file);
    await chmod(file, 0o644);
  });
}

/** Copied and verified in one reading; the durable file is never given away. */
async function bringFile(store: Store, { digest, size }: Descriptor, file: string): Promise<void> {
  if (store.pathOf !== undefined) {
    const path = store.pathOf(digest);
    const { hex } = await hashFile(path, { to: file });
    if (hex !== hexOf(digest)) throw differs(path, digest, `sha256:${hex}`);
  } else if (!(await store.fetch?.({ digest, size }, file))) {
    await pipeline(await store.read(digest), createWriteStream(file, { flags: 'w' }));
  }
}

/** What stands in a record is anybody's who may write to the place. */
function pathOf({ annotations }: Descriptor): string {
  const path = annotations?.[TITLE] ?? '';
  if (path === '' || path.startsWith('/') || path.split('/').some((part) => ['', '.', '..'].includes(part)))
    throw new Error(`it holds a file named ${JSON.stringify(path)}`);
  return path;
}
