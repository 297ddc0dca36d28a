import type { Built } from '../build/build.ts';
import { code, digests, plain, table } from '../github/markdown.ts';
import { canonicalBytes } from '../lib/json.ts';
import type { Stored } from '../records/kind.ts';
import type { RunConfig } from '../records/run.ts';
import type { Commit } from '../source/commit.ts';
import { short } from './figures.ts';

/** What a summary of a build tells besides what was built. */
export interface BuildContext {
  readonly commit: Commit;
  /** What is to be known of the store; undefined for nothing. */
  readonly limits: string | undefined;
  /** Whether it trains though a finished Run is there. */
  readonly force: boolean;
}

/** What build found: whether a GPU is needed, and with which parameters. */
export function buildSummary(built: Built, { commit, limits, force }: BuildContext): string {
  const { project, training, run, trainer, server, changes } = built;
  const same =
    run &&
    `run ${short(run.digest)}${of(run)} has the same source, environment, command, parameters and data`;
  const verdict =
    run === undefined || force
      ? `### 🔨 ${plain(project.name)} · commit ${code(commit.id.slice(0, 12))} is built · it trains${run === undefined ? '' : ' again'} as ${short(training.trainingId)}`
      : `### ♻ ${plain(project.name)} · nothing to train · ${same}`;
  const params = Object.entries(training.params).map(([name, value]) => {
    const standard = trainer.config.params[name];
    const changed = standard === undefined || !canonicalBytes(standard).equals(canonicalBytes(value));
    return [
      code(name),
      changed ? `**${code(JSON.stringify(value))}**` : code(JSON.stringify(value)),
      changed ? code(JSON.stringify(standard)) : '',
    ];
  });
  const data = Object.entries(training.data).map(([name, digest]) => `${code(name)} ${short(digest)}`);
  return [
    verdict,
    changes &&
      `**Why it trains** ${changes.what.map(plain).join(' · ')}, since run ${short(changes.since.digest)}${of(changes.since)}`,
    force && same !== undefined ? `**Why it trains** it is forced; ${same}` : '',
    params.length > 0 ? table(['parameter', 'value', 'default'], params) : '',
    data.length > 0 ? `**Data** ${data.join(' · ')}` : '',
    limits === undefined ? '' : `_${plain(limits)}_`,
    digests([
      ['trainer', trainer.digest],
      ...(server === undefined ? [] : [['server', server.digest] as const]),
      ['training id', training.trainingId],
    ]),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function of({ config: { commit, segments } }: Stored<RunConfig>): string {
  const from = commit === null ? [] : [`commit ${code(commit.slice(0, 12))}`];
  const parts = [...from, ...segments.slice(-1).map(({ endedAt }) => endedAt.slice(0, 10))];
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`;
}
