import { type Digest, hexOf } from '../lib/digest.ts';
import { type Ages, agesOf } from './age.ts';
import type { Inventory, Item } from './inventory.ts';
import { keptByService } from './service.ts';

const DAY_MS = 24 * 3600 * 1000;

/** What somebody chose to keep. */
export interface Choices {
  /** What was live within this time stays, in seconds; and what was made within it and waits for its first use. */
  readonly keepLiveWithin: number;
  /** So many of each kind stay, for each project and environment. */
  readonly keepLast: number;
}

/**
 * Says of every record that stays why. A record stays with all that it stands on and all that explains it.
 * @param now in milliseconds since 1970
 */
export function reasonsToKeep(
  inventory: Inventory,
  choices: Choices,
  now: number,
): ReadonlyMap<Digest, string> {
  const since = now - choices.keepLiveWithin * 1000;
  const ages = agesOf(inventory);
  const reasons = new Map<Digest, string>();
  const ahead: Item[] = [];
  const keep = (digest: Digest, reason: string): void => {
    const item = inventory.get(digest);
    if (item === undefined || reasons.has(digest)) return;
    reasons.set(digest, reason);
    ahead.push(item);
  };
  for (const { digest, reason } of keptByService(inventory, since)) keep(digest, reason);
  for (const item of inventory.values()) {
    const reason = ownReason(item, inventory, ages, since, now);
    if (reason !== undefined) keep(item.digest, reason);
  }
  for (const { digest, reason } of lastOfEach(inventory, ages, choices.keepLast)) keep(digest, reason);
  const followers = followersIn(inventory);
  for (let item = ahead.pop(); item !== undefined; item = ahead.pop()) {
    const name = `${item.kind} ${hexOf(item.digest, 12)}`;
    for (const needed of item.needs) keep(needed, `${name} stands on it`);
    for (const follower of followers.get(item.digest) ?? []) keep(follower, `belongs to ${name}`);
  }
  return reasons;
}

/** What speaks for a record by itself. */
function ownReason(
  item: Item,
  inventory: Inventory,
  ages: Ages,
  since: number,
  now: number,
): string | undefined {
  const { kind, names, digest } = item;
  const given = names.filter((name) => !isOwnName(name, digest));
  if (given.length > 0) return `is named ${given.join(', ')}`;
  // A job that runs now may be about to build on it.
  if (Math.max(item.givenAt ?? 0, item.at ?? 0) > now - DAY_MS) return 'was written within a day';
  if (kind === 'image' || kind === 'index')
    return belongs(item, inventory) ? undefined : 'is not Trainyard’s';
  if (kind === 'source') return undefined;
  const isUsed = ages.usersOf(item).length > 0;
  if (kind === 'data' && !isUsed) return 'whether another store uses it is not known';
  const age = ages.ageOf(item);
  if (age === undefined) return 'its age is not known';
  if ((kind === 'program' || kind === 'release') && !isUsed && age >= since)
    return 'was made lately, and waits for its first use';
  return undefined;
}

/** The names by which Trainyard and registries find records; all others are people's. */
function isOwnName(name: string, digest: Digest): boolean {
  return (
    name === digest ||
    name.endsWith(`-${hexOf(digest, 12)}`) ||
    /^(training-[0-9a-f]{64}|image-[0-9a-f]{12}(-\w+)?|sha256-[0-9a-f]{64}(\.\w+)?)$/.test(name)
  );
}

/** Whether what another tool reads was made for a record: its image, a signature, a note. */
function belongs(item: Item, inventory: Inventory): boolean {
  if (item.kind === 'index') return recordsIn(item, inventory).length > 0;
  if (item.follows !== undefined) return inventory.has(item.follows);
  return [...inventory.values()].some(
    (one) => one.kind === 'index' && one.needs.includes(item.digest) && belongs(one, inventory),
  );
}

function recordsIn({ needs }: Item, inventory: Inventory): Digest[] {
  return needs.filter((digest) => {
    const kind = inventory.get(digest)?.kind;
    return kind !== undefined && kind !== 'image' && kind !== 'index';
  });
}

function followersIn(inventory: Inventory): ReadonlyMap<Digest, readonly Digest[]> {
  const followers = new Map<Digest, Digest[]>();
  for (const item of inventory.values()) {
    const leaders = item.kind === 'index' ? recordsIn(item, inventory) : [item.follows];
    for (const leader of leaders)
      if (leader !== undefined) followers.set(leader, [...(followers.get(leader) ?? []), item.digest]);
  }
  return followers;
}

/** The newest of each group. */
function lastOfEach(
  inventory: Inventory,
  ages: Ages,
  count: number,
): readonly { readonly digest: Digest; readonly reason: string }[] {
  const groups = new Map<string, { digest: Digest; age: number }[]>();
  for (const item of inventory.values()) {
    const group = groupOf(item, inventory);
    const age = ages.ageOf(item);
    if (group !== undefined && age !== undefined)
      groups.set(group, [...(groups.get(group) ?? []), { digest: item.digest, age }]);
  }
  return [...groups].flatMap(([group, items]) =>
    items
      .sort((a, b) => b.age - a.age || (a.digest < b.digest ? -1 : 1))
      .slice(0, count)
      .map(({ digest }) => ({ digest, reason: `is one of the last ${count}: ${group}` })),
  );
}

/** A Run names no project; its trainer does. */
function groupOf(item: Item, inventory: Inventory): string | undefined {
  if (item.kind !== 'run') return item.group;
  const [trainer] = item.needs;
  return `run by the ${(trainer && inventory.get(trainer)?.group) ?? 'trainer that is gone'}`;
}
