import type { Built } from '../build/build.ts';
import { code, digests, plain, table } from '../github/markdown.ts';
import { canonicalBytes } from '../lib/json.ts';
import type { Commit } from '../source/commit.ts';
import { short } from './figures.ts';

/** What build found: whether a GPU is needed, and with which parameters. */
export function buildSummary(built: Built, commit: Commit, limits: string | undefined): string {
  const { project, training, run, trainer, server, changes } = built;
  const at = code(commit.id.slice(0, 12));
  const verdict =
    run === undefined
      ? `### 🔨 ${plain(project.name)} · commit ${at} is built · it trains as ${short(training.trainingId)}`
      : `### ♻ ${plain(project.name)} · nothing to train · run ${short(run.digest)}${of(run.config.commit)} has the same trainer, data and parameters`;
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
    changes === undefined
      ? ''
      : `**Why it trains** ${changes.what.map(plain).join(' · ')}, since run ${short(changes.since.digest)}${of(changes.since.config.commit)}`,
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

function of(commit: string | null): string {
  return commit === null ? '' : ` of commit ${code(commit.slice(0, 12))}`;
}
