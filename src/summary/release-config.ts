import { code, digests, plain, table } from '../github/markdown.ts';
import { differenceOf } from '../release/difference.ts';
import { failureOf } from '../release/gate-words.ts';
import type { Released } from '../release/release.ts';
import { figure, short } from './figures.ts';
import { differenceTable, differenceWords } from './release-difference.ts';
import { targetText } from './release-text.ts';

/** The release: how it differs from what serves now, how its metrics compare, and where every value came from. */
export function releaseSummary(released: Released, limits: string | undefined): string {
  const { made, model, live, unchanged } = released;
  return [
    verdictOf(released, limits),
    gatesOf(released),
    made !== undefined && live?.parts !== undefined && live.serving.release !== made.release.digest
      ? differenceTable(live.parts, made)
      : factsOf(released),
    unchanged ? 'The very same release was made before; nothing is new.' : '',
    valuesOf(released),
    listOf('Unused, and without a value', released.notes.unused),
    released.notes.warnings.map((line) => `⚠ ${plain(line)}`).join('\n\n'),
    limits === undefined ? '' : `_${plain(limits)}_`,
    digests([
      ...(made === undefined ? [] : [['release', made.release.digest] as const]),
      ['package', model.package.digest],
      ...(live === undefined ? [] : [['live', live.serving.release] as const]),
    ]),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function verdictOf({ made, environment, model, gates, live }: Released, limits: string | undefined): string {
  const what = `${plain(environment)} · ${plain(model.facts.name)}`;
  if (made === undefined)
    return `### ❌ ${what} package ${short(model.package.digest)}: ${plain(failureOf(gates) ?? '')}`;
  const release = `### 🟢 ${what} release ${short(made.release.digest)}`;
  // A store that ends with the workflow run never knows what was live before.
  if (live === undefined)
    return `${release}${limits === undefined ? ' · nothing is known to be live there' : ''}`;
  if (live.serving.release === made.release.digest) return `${release} · it is live already`;
  if (live.parts === undefined)
    return `${release} · live is ${short(live.serving.release)}, which this store does not hold`;
  return `${release} · ${differenceWords(differenceOf(live.parts, made))}`;
}

function gatesOf({ gates }: Released): string {
  if (gates.length === 0) return '';
  const rows = gates.map(({ metric, isMore, found, wanted, baseline, tolerance, holds, note }) => [
    `${plain(metric)} ${isMore ? '↑' : '↓'}`,
    // Rounded, a value that fails could look as if it held.
    found === undefined ? 'missing' : holds ? figure(found) : String(found),
    wanted === undefined ? '–' : holds ? figure(wanted) : String(wanted),
    plain(baseline),
    `${holds ? '✅' : '❌'} ${tolerance === 0 ? 'no worse' : `worse by ${tolerance} at most`}${note === undefined ? '' : ` · ${plain(note)}`}`,
  ]);
  return table(['metric', '>new', '>live', 'baseline', 'gate'], rows);
}

/** What is in it, where there is nothing to compare with. */
function factsOf({ model, made }: Released): string {
  const metrics = Object.entries(model.facts.metrics).map(
    ([metric, value]) => `${plain(metric)} ${figure(value)}`,
  );
  const of = `package ${short(model.package.digest)}${metrics.length > 0 ? ` · ${metrics.join(', ')}` : ''}`;
  return `**Model** ${of}${made === undefined ? '' : ` · **Target** ${targetText(made.release.config)}`}`;
}

/** Folded: every value with its origin, and whose hands the secrets are in. */
function valuesOf({ config, made }: Released): string {
  const { secrets = [], secretReferences = {} } = made?.release.config ?? {};
  const rows = [
    ...[...config].map(([key, { value, origin }]) => [code(key), code(JSON.stringify(value)), plain(origin)]),
    ...secrets.map((secret) => [code(secret), '_secret_', 'the deploy step']),
    ...Object.entries(secretReferences).map(
      ([
        secret,
        {
          secretKeyRef: { name, key },
        },
      ]) => [code(secret), '_secret_', plain(`the cluster's Secret ${name}, key ${key}`)],
    ),
  ];
  if (rows.length === 0) return '';
  return folded(
    'Configuration, and where each value came from',
    table(['configuration', 'value', 'from'], rows),
  );
}

function listOf(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : folded(title, lines.map((line) => `- ${plain(line)}`).join('\n'));
}

function folded(title: string, markdown: string): string {
  return `<details><summary>${title}</summary>\n\n${markdown}\n\n</details>`;
}
