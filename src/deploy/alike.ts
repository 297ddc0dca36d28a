import type { Digest } from '../lib/digest.ts';
import type { Event } from '../records/history.ts';
import { modelFilesOf, modelPackage } from '../records/package.ts';
import { release } from '../records/release.ts';
import { getRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { subjectOf } from './parts.ts';

/** The releases that a history holds or lifts, and that are the same as another one in all but the training that made their models. */
export async function alikeIn(
  history: readonly Event[],
  digest: Digest,
  stores: readonly Store[],
): Promise<Digest[]> {
  const marked = history.flatMap(({ holds, lifts, release: lifted }) =>
    [holds ?? [], lifts === true ? lifted : []].flat(),
  );
  const others = new Set(marked.filter((one) => one !== digest));
  const ours = others.size === 0 ? undefined : await contentOf(digest, stores);
  if (ours === undefined) return [];
  const alike: Digest[] = [];
  for (const other of others) if ((await contentOf(other, stores)) === ours) alike.push(other);
  return alike;
}

/** What a release serves: server, configuration and target, and its model's files. Undefined where no store has it any more. */
async function contentOf(digest: Digest, stores: readonly Store[]): Promise<string | undefined> {
  try {
    const found = await getRecord(stores, release, digest);
    const pack = await getRecord(stores, modelPackage, subjectOf(found));
    const files = modelFilesOf(pack.manifest).map(({ path, digest: file }) => `${file} ${path}`);
    return [found.manifest.config.digest, ...files].join('\n');
  } catch {
    return undefined;
  }
}
