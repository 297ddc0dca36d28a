import { posix } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { extract } from 'tar-stream';
import { type Digest, digestOf } from '../lib/digest.ts';
import type { Stored } from '../records/kind.ts';
import { SOURCE_LAYER, type TrainerConfig } from '../records/program.ts';
import { readBytes } from '../store/records.ts';
import type { Store } from '../store/store.ts';

/** A source beyond this is weights or data; to compare two of them would take a build longer than it is worth. */
const LARGEST = 32 * 2 ** 20;

/** A trainer, and the store that has its files. */
export interface Placed {
  readonly trainer: Stored<TrainerConfig>;
  readonly store: Store;
}

/**
 * Which files of the source differ, by their paths from the project: `train.py changed`, `lib/new.py added`.
 * @returns an empty list when the sources are too large to compare, or differ in nothing that has a name
 * @throws what reading a store or a broken archive throws
 */
export async function changedFiles(before: Placed, after: Placed): Promise<string[]> {
  if (Math.max(sizeOf(before), sizeOf(after)) > LARGEST) return [];
  const [old, now] = [await filesOf(before), await filesOf(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])];
  return names.flatMap((name) => {
    if (!old.has(name)) return [`${name} added`];
    if (!now.has(name)) return [`${name} removed`];
    return old.get(name) === now.get(name) ? [] : [`${name} changed`];
  });
}

/** The digest of a trainer's source; undefined for one that build did not make. */
export function sourceOf({ manifest }: Stored<TrainerConfig>): { digest: Digest; size: number } | undefined {
  return manifest.layers.find(({ mediaType }) => mediaType === SOURCE_LAYER);
}

function sizeOf({ trainer }: Placed): number {
  return sourceOf(trainer)?.size ?? Number.POSITIVE_INFINITY;
}

/** Mode and content of every file, in one text. */
async function filesOf({ trainer, store }: Placed): Promise<Map<string, string>> {
  const source = sourceOf(trainer);
  const files = new Map<string, string>();
  if (source === undefined) return files;
  const archive = extract();
  Readable.from([await readBytes(store, source.digest)]).pipe(archive);
  for await (const entry of archive) {
    const path = posix.relative(trainer.config.directory, entry.header.name);
    files.set(path, `${entry.header.mode} ${digestOf(await buffer(entry))}`);
  }
  return files;
}
