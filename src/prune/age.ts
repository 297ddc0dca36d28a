import type { Digest } from '../lib/digest.ts';
import type { Inventory, Item } from './inventory.ts';

/** How old records are, and what stands on them. */
export interface Ages {
  /** What stands on a record: a Run on its trainer, a Package on its Run and its server. */
  usersOf(item: Item): readonly Item[];
  /** The newest event in a record and all that stands on it, in milliseconds since 1970; undefined when there is none. */
  eventOf(item: Item): number | undefined;
  /**
   * By what a record's age is told, in milliseconds since 1970: its newest event; else when it was put into the store; else what
   * it was made from, and it is no older than that. Undefined when nothing is known.
   */
  ageOf(item: Item): number | undefined;
}

/** Programs, Packages and Releases hold no clock, so that the same input has the same digest; what stands on them does. */
export function agesOf(inventory: Inventory): Ages {
  const users = new Map<Digest, Item[]>();
  for (const item of inventory.values()) {
    // What only explains or describes a record uses nothing.
    if (item.follows !== undefined || item.kind === 'index') continue;
    for (const needed of new Set(item.needs)) users.set(needed, [...(users.get(needed) ?? []), item]);
  }
  const usersOf = ({ digest }: Item): readonly Item[] => users.get(digest) ?? [];
  const eventOf = remembered((item: Item): number | undefined =>
    newest([item.at, ...usersOf(item).map(eventOf)]),
  );
  const ageOf = remembered((item: Item): number | undefined => {
    const known = eventOf(item) ?? item.givenAt;
    if (known !== undefined) return known;
    if (item.kind === 'program') return newest(usersOf(item).map(ageOf));
    const made = item.needs.map((needed) => inventory.get(needed));
    return newest(
      made.map((one) => (one?.kind === 'package' || one?.kind === 'run' ? ageOf(one) : undefined)),
    );
  });
  return { usersOf, eventOf, ageOf };
}

function newest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function remembered<T>(work: (item: Item) => T): (item: Item) => T {
  const known = new Map<Digest, { readonly made: T }>();
  return (item) => {
    const found = known.get(item.digest);
    if (found !== undefined) return found.made;
    const made = work(item);
    known.set(item.digest, { made });
    return made;
  };
}
