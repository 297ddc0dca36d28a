import { code, digests, plain, table, unbroken } from '../github/markdown.ts';
import type { Moment } from '../history/moment.ts';
import { hexOf } from '../lib/digest.ts';
import type { Event } from '../records/history.ts';
import { servedAfter } from '../records/history.ts';
import type { Store } from '../store/store.ts';
import { short } from './figures.ts';

const SIGNS: Readonly<Record<Event['outcome'], string>> = {
  live: '🟢',
  unchanged: '🟢',
  refused: '🟠',
  'rolled-back': '🟠',
  interrupted: '🟠',
  'restore-failed': '🔴',
  superseded: '⚪',
  held: '⚪',
};

/** What people ask of a history. */
export interface Asked {
  readonly name: string;
  readonly environment: string;
  /** The time, ISO 8601 in UTC. */
  readonly at: string;
}

/** What was live, who brought it and why; and all that ever was deployed, the newest first. */
export function historySummary(
  asked: Asked,
  moment: Moment,
  entries: readonly Event[],
  store: Pick<Store, 'location' | 'limits'>,
): string {
  const rows = [...entries].reverse().map((entry) => {
    const after = servedAfter(entry);
    const time = unbroken(minute(entry.endedAt));
    return [
      entry === moment.brought ? `**${time}**` : time,
      unbroken(`${SIGNS[entry.outcome]} ${entry.outcome}`),
      short(entry.release),
      after === null ? 'nothing' : short(after),
      whoLinked(entry),
      plain(why(entry)),
    ];
  });
  return [
    `### 🕰 ${plain(asked.environment)} · ${plain(asked.name)} · ${verdictOf(asked, moment, short)}`,
    ...doubts(moment, short).map((doubt) => `⚠ ${doubt}`),
    heldText(moment, short),
    table(['ended (UTC)', 'outcome', 'release', 'served then', 'who', 'why'], rows),
    store.limits === undefined ? '' : `_${plain(store.limits)}_`,
    moment.release === null
      ? ''
      : `Where it came from: ${code(`npx trainyard trace --of ${moment.release} --store ${store.location}`)}`,
    digests([
      ...(moment.release === null ? [] : [['live', moment.release] as const]),
      ...[...new Set(entries.map(({ release }) => release))].map((one) => ['release', one] as const),
    ]),
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** The same as lines for a log. */
export function historyText(asked: Asked, moment: Moment, entries: readonly Event[]): string {
  const bare = (digest: Event['release']): string => hexOf(digest, 12);
  const lines = entries.map((entry) => {
    const reason = why(entry);
    return `${minute(entry.endedAt)} UTC  ${entry.outcome.padEnd(14)}  ${bare(entry.release)}  ${who(entry)}${reason === '' ? '' : `  ${reason.replace(/\s+/g, ' ')}`}`;
  });
  return [...lines, verdictOf(asked, moment, bare), ...doubts(moment, bare), heldText(moment, bare)]
    .filter(Boolean)
    .join('\n');
}

type Show = (digest: Event['release']) => string;

function verdictOf({ at }: Asked, { release, brought, last }: Moment, show: Show): string {
  const time = `at ${at.slice(0, 19).replace('T', ' ')} UTC`;
  if (release !== null) {
    const by =
      brought === null
        ? 'brought by what left no record'
        : `since ${minute(brought.endedAt)} UTC, brought by ${plain(who(brought))}`;
    return `${show(release)} was live ${time}, ${by}`;
  }
  if (last === null) return `nothing had been deployed ${time}`;
  return `nothing was proved to serve ${time}: the deploy of ${show(last.release)} was ${last.outcome}`;
}

function doubts({ underWay, otherwise }: Moment, show: Show): string[] {
  const under =
    underWay &&
    `A deploy of ${show(underWay.release)} was under way, from ${minute(underWay.startedAt)} to ${minute(underWay.endedAt)} UTC: it may have served for a while.`;
  const other =
    otherwise &&
    `The next deploy, begun ${minute(otherwise.startedAt)} UTC, found ${otherwise.before === null ? 'nothing' : show(otherwise.before)} serving: something changed before it that left no record.`;
  return [under, other].filter((doubt) => doubt !== null);
}

function heldText({ held }: Moment, show: Show): string {
  return held.length === 0
    ? ''
    : `Held by roll-backs, until a person lifts that: ${held.map(show).join(', ')}.`;
}

function who({ cause }: Event): string {
  return cause === undefined ? 'unknown' : `${cause.actor} (${cause.event})`;
}

function whoLinked(entry: Event): string {
  const { url = '' } = entry.cause ?? {};
  return /^https?:\/\/[\w.:/%?=&~+-]+$/.test(url) ? `[${plain(who(entry))}](${url})` : plain(who(entry));
}

function why({ reason, holds, lifts }: Event): string {
  return [
    reason,
    holds && `holds ${hexOf(holds, 12)}, which it left`,
    lifts && 'a person lifted the hold on it',
  ]
    .filter(Boolean)
    .join('; ');
}

function minute(time: string): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}
