import { digests, plain, table } from '../github/markdown.ts';
import { hexOf } from '../lib/digest.ts';
import { bytesText } from '../lib/progress.ts';
import type { Judged, Pruned } from '../prune/prune.ts';
import { short } from './figures.ts';

/** What goes, what stays, and why. */
export function pruneSummary(pruned: Pruned, dryRun: boolean): string {
  const { stays, goes } = pruned;
  const rows = (judged: readonly Judged[]): string =>
    table(
      ['record', 'digest', 'name', '>bytes', 'why'],
      judged.map(({ item, reason }) => [
        item.kind,
        short(item.digest),
        plain(item.names[0] ?? ''),
        bytesOf(item).toLocaleString('en'),
        plain(reason),
      ]),
    );
  return [
    `### ${verdictOf(pruned, dryRun)}`,
    dryRun && goes.length > 0
      ? '_Nothing was removed. Run it with `dry-run: false` to remove what goes._'
      : '',
    goes.length === 0 ? '' : `**Goes**\n\n${rows(goes)}`,
    `<details><summary>${stays.length} stay</summary>\n\n${rows(stays)}\n</details>`,
    digests(goes.map(({ item }) => [item.kind, item.digest])),
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** The same as lines for a log. */
export function pruneText({ stays, goes }: Pruned): string {
  const line = (verdict: string, { item, reason }: Judged): string =>
    `${verdict.padEnd(5)}  ${item.kind.padEnd(10)}  ${hexOf(item.digest, 12)}  ${bytesOf(item).toLocaleString('en').padStart(15)}  ${reason}`;
  return [...stays.map((one) => line('stays', one)), ...goes.map((one) => line('goes', one))].join('\n');
}

function verdictOf({ stays, goes, bytes, freed }: Pruned, dryRun: boolean): string {
  const all = stays.length + goes.length;
  if (goes.length === 0) return `🧹 All ${all} records stay`;
  const size = bytesText(bytes);
  if (dryRun) return `🧹 ${goes.length} of ${all} records would go, ${size}`;
  const free =
    freed === undefined
      ? `the registry frees ${size} when it cleans up`
      : `${bytesText(freed)} free now${freed < bytes ? `, of ${size}` : ''}`;
  return `🧹 ${goes.length} of ${all} records removed · ${free}`;
}

function bytesOf({ blobs }: Judged['item']): number {
  return blobs.reduce((sum, { size }) => sum + size, 0);
}
