import type { Digest } from '../lib/digest.ts';
import type { Event } from '../records/history.ts';
import { heldBy, servedAfter } from '../records/history.ts';
import { timeOf } from '../store/history.ts';

/** What served at a time, by the word of the Deployments. */
export interface Moment {
  /** Null when nothing served. */
  readonly release: Digest | null;
  /** What brought it; null when the records begin later, or a deploy that was killed brought it. */
  readonly brought: Event | null;
  /** The last deploy that had ended. */
  readonly last: Event | null;
  /** The deploy that was under way: what it brought may have served already. */
  readonly underWay: Event | null;
  /** The next deploy, where it found something else serving: between the two, something changed that left no record. */
  readonly otherwise: Event | null;
  /** The releases that roll-backs had left, and nobody had lifted. */
  readonly held: readonly Digest[];
}

type Served = Pick<Moment, 'release' | 'brought'>;
const NOTHING: Served = { release: null, brought: null };

/**
 * Tells what served at a time. A deploy counts from its end on, when it was proved.
 * @param entries all Deployments of one environment, the oldest first
 * @param at milliseconds since 1970
 */
export function momentAt(entries: readonly Event[], at: number): Moment {
  const ended = entries.filter(({ endedAt }) => timeOf(endedAt) <= at);
  const next = entries[ended.length];
  const known = ended.reduce(servedNext, undefined);
  // What the first of all found had been brought by somebody before.
  const served = known ?? (next === undefined ? NOTHING : foundBy(next));
  return {
    ...served,
    last: ended.at(-1) ?? null,
    underWay: next !== undefined && timeOf(next.startedAt) <= at ? next : null,
    otherwise: next !== undefined && next.before !== served.release ? next : null,
    held: heldAfter(ended),
  };
}

function heldAfter(ended: readonly Event[]): Digest[] {
  const left = ended.flatMap(({ holds }) => (holds === undefined ? [] : [holds]));
  return [...new Set(left)].filter((release) => heldBy(ended, release) !== undefined);
}

function servedNext(served: Served | undefined, entry: Event): Served {
  const before = served?.release === entry.before ? served : foundBy(entry);
  const release = servedAfter(entry);
  if (release === null) return NOTHING;
  return release === before.release ? before : { release, brought: entry };
}

function foundBy({ before }: Event): Served {
  return { release: before, brought: null };
}
