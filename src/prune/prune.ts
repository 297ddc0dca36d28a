import type { Blob, Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { Store } from '../store/store.ts';
import { agesOf } from './age.ts';
import { type Inventory, type Item, takeInventory } from './inventory.ts';
import { type Choices, reasonsToKeep } from './keep.ts';

/** A record of the table. */
export interface Judged {
  readonly item: Item;
  /** Why it stays, or when it was used last. */
  readonly reason: string;
}

export interface Pruned {
  readonly stays: readonly Judged[];
  readonly goes: readonly Judged[];
  /** What only records that go hold on to. */
  readonly bytes: number;
  /** What is free now; undefined in a dry run, and where the registry frees it later. */
  readonly freed: number | undefined;
}

/** What stands on others goes before them, so that a prune which dies leaves no record that stands on nothing. */
const ORDER: readonly Item['kind'][] = [
  'index',
  'image',
  'deployment',
  'source',
  'release',
  'package',
  'run',
  'program',
  'data',
];

/**
 * Removes the records that nothing speaks for.
 * @param dryRun only says what would go
 * @param now in milliseconds since 1970
 * @throws UserError when the store can remove nothing, or a record cannot be read
 */
export async function prune(
  store: Store,
  { dryRun, ...choices }: Choices & { readonly dryRun: boolean },
  now = Date.now(),
): Promise<Pruned> {
  if (store.remove === undefined)
    throw new UserError(
      `${store.location} cannot be pruned: nothing can be removed from it. Artifacts end by themselves, after the retention that the repository sets`,
    );
  const inventory = await takeInventory(store);
  const reasons = lastingReasons(inventory, choices, now);
  const ages = agesOf(inventory);
  const stays: Judged[] = [];
  const goes: Judged[] = [];
  for (const item of sorted(inventory)) {
    const reason = reasons.get(item.digest);
    if (reason !== undefined) stays.push({ item, reason });
    else goes.push({ item, reason: lastUse(item, ages.ageOf(item)) });
  }
  const removed = dryRun ? undefined : await store.remove(new Set(goes.map(({ item }) => item.digest)), now);
  return { stays, goes, bytes: held(goes, stays), freed: removed?.bytes };
}

/**
 * Why each record stays, once all that goes has gone. A Package's age is that of what stands on it: without a release that goes it is
 * older, and may not be one of the last any more. So what is left is judged again until all of it stays, and pruning again removes nothing.
 */
function lastingReasons(all: Inventory, choices: Choices, now: number): ReadonlyMap<Digest, string> {
  for (let left = all; ; ) {
    const reasons = reasonsToKeep(left, choices, now);
    if (reasons.size === left.size) return reasons;
    left = new Map([...left].filter(([digest]) => reasons.has(digest)));
  }
}

function sorted(inventory: Inventory): Item[] {
  const rank = ({ kind }: Item): number => ORDER.indexOf(kind);
  return [...inventory.values()].sort((a, b) => rank(a) - rank(b) || (a.digest < b.digest ? -1 : 1));
}

function lastUse({ follows }: Item, age: number | undefined): string {
  if (follows !== undefined) return 'goes with what it belongs to';
  return age === undefined
    ? 'nothing that stays needs it'
    : `last used ${new Date(age).toISOString().slice(0, 10)}`;
}

/** The bytes of what only the ones hold on to. */
function held(goes: readonly Judged[], stays: readonly Judged[]): number {
  const blobs = (judged: readonly Judged[]): Map<Digest, Blob> =>
    new Map(judged.flatMap(({ item }) => item.blobs.map((blob) => [blob.digest, blob])));
  const needed = blobs(stays);
  return [...blobs(goes).values()]
    .filter(({ digest }) => !needed.has(digest))
    .reduce((sum, { size }) => sum + size, 0);
}
