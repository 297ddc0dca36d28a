import { code, digests, plain, table } from '../github/markdown.ts';
import type { Released } from '../release/release.ts';
import type { Live } from '../store/live.ts';
import { figure, short } from './figures.ts';

/** The release: what is in it, where every value came from, and what serves now. */
export function releaseSummary(
  { release, package: modelPack, facts, config }: Released,
  live: Live | undefined,
  limits: string | undefined,
): string {
  const { name, environment, target, secrets } = release.config;
  // A store that ends with the workflow run never knows what was live before.
  const unknown = limits === undefined ? ' · nothing is known to be live there' : '';
  const state =
    live === undefined
      ? unknown
      : live.release === release.digest
        ? ' · it is live already'
        : ` · live is ${short(live.release)}`;
  const metrics = Object.entries(facts.metrics).map(([metric, value]) => `${plain(metric)} ${figure(value)}`);
  return [
    `### 🟢 ${plain(environment)} · ${plain(name)} release ${short(release.digest)}${state}`,
    table(
      ['configuration', 'value', 'from'],
      [
        ...[...config].map(([key, { value, origin }]) => [
          code(key),
          code(JSON.stringify(value)),
          plain(origin),
        ]),
        ...secrets.map((secret) => [code(secret), '_secret_', 'the deploy step']),
      ],
    ),
    `**Model** package ${short(modelPack.digest)}${metrics.length > 0 ? ` · ${metrics.join(', ')}` : ''} · **Target** ${target.kind}, ${target.kind === 'kubernetes' ? `namespace ${target.namespace}` : `port ${target.port}`}`,
    limits === undefined ? '' : `_${plain(limits)}_`,
    digests([
      ['release', release.digest],
      ['package', modelPack.digest],
    ]),
  ]
    .filter(Boolean)
    .join('\n\n');
}
