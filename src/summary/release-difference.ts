import { code, plain, table } from '../github/markdown.ts';
import type { ReleaseConfig } from '../records/release.ts';
import { type Difference, differenceOf, type Part } from '../release/difference.ts';
import type { Parts } from '../release/parts.ts';
import { short } from './figures.ts';
import {
  commitsText,
  dataText,
  modelText,
  objectText,
  secretsText,
  targetText,
  valueText,
} from './release-text.ts';

/** A new release beside the one that is live: what differs in bold, what is the same as such. */
export function differenceTable(live: Parts, made: Parts, difference = differenceOf(live, made)): string {
  const { config: keys } = difference;
  const row = (name: string, before: string, after: string): string[] => {
    if (before === after) return [name, before, 'same'];
    return [name, before || '–', after === '' ? '–' : `**${after}**`];
  };
  const both = (name: string, read: (parts: Parts) => string): string[] => row(name, read(live), read(made));
  const settings = (part: Part, read: (config: ReleaseConfig) => string): string[][] =>
    difference.other.includes(part) ? [both(part, ({ release }) => read(release.config))] : [];
  return table(
    ['', `live ${short(live.release.digest)}`, `new ${short(made.release.digest)}`],
    [
      both('model', modelText),
      ...keys.map((key) =>
        both(`config ${code(key)}`, ({ release }) => valueText(release.config.config, key)),
      ),
      both('server', ({ release }) => short(release.config.server)),
      both('target', ({ release }) => targetText(release.config)),
      ...settings('secrets', secretsText),
      ...settings('probing', ({ probing }) => objectText(probing)),
      ...settings('approvers', ({ approvers = [] }) => plain(approvers.join(', '))),
      ...(difference.other.includes('package')
        ? [both('package', (parts) => short(parts.package.digest))]
        : []),
      ...(difference.other.includes('manifests')
        ? [['manifests', 'rendered by another version', '**rendered anew**']]
        : []),
      both('commit', commitsText),
      both('data', dataText),
    ],
  );
}

/** How a release differs, for the first line. */
export function differenceWords({ places }: Difference): string {
  if (places === 0) return 'differs from what is live in nothing but its digest';
  return `differs from what is live in ${places} place${places === 1 ? '' : 's'}`;
}
