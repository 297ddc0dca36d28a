import { block, code, digests, plain, table } from '../github/markdown.ts';
import { hexOf } from '../lib/digest.ts';
import { OUTPUT_LAYER, type RunConfig } from '../records/run.ts';
import type { Finding } from '../train/preflight/finding.ts';
import type { TrainResult } from '../train/request.ts';
import { lineChart } from './chart.ts';
import { durationText, figure, short } from './figures.ts';
import { MARKS, segmentsTable, timeOf, usageLine } from './segments.ts';

const CHARTS = 2;

/** What came of a training: metrics and their course, or why there is no model and what to do. */
export function trainSummary(result: TrainResult, limits: string | undefined): string {
  if (result.isReused) return reusedSummary(result);
  const { trainer, run, series, lastLines, findings } = result;
  const { config } = run;
  const succeeded = config.state === 'succeeded';
  const metrics = [...series].map(([name, { first, last }]) => [
    code(name),
    `**${figure(last)}**`,
    first === last ? '' : `${figure(first)} → ${figure(last)} ${last > first ? '↗' : '↘'}`,
  ]);
  const charts = [...series].map(([name, { points }]) => lineChart(name, points)).filter(Boolean);
  return [
    `### ${MARKS[config.state]} ${plain(trainer.config.name)} · run ${short(run.digest)} · ${config.state} ${succeeded ? 'in' : 'after'} ${durationText(timeOf(config))}`,
    config.reason === undefined ? '' : `**Why:** ${plain(config.reason)}.`,
    !succeeded && lastLines.length > 0 ? `The last lines of its log:\n\n${block(lastLines.join('\n'))}` : '',
    metrics.length > 0 ? table(['metric', '>last', 'first → last'], metrics) : '',
    ...charts.slice(0, CHARTS),
    listOf(
      'Parameters',
      Object.entries(config.params).map(([name, value]) => `${name} ${JSON.stringify(value)}`),
    ),
    listOf(
      'Data',
      Object.entries(config.data).map(([name, digest]) => `${name} ${hexOf(digest, 12)}`),
    ),
    segmentsTable(config),
    findingsTable(findings),
    machineOf(config),
    usageLine(config),
    next(run.manifest.layers.filter(({ mediaType }) => mediaType === OUTPUT_LAYER).length, config, limits),
    digests([
      ['run', run.digest],
      ['trainer', trainer.digest],
      ['training id', config.trainingId],
    ]),
  ]
    .filter(Boolean)
    .join('\n\n');
}

function listOf(title: string, values: readonly string[]): string {
  return values.length === 0 ? '' : `**${title}** ${values.map(code).join(' · ')}`;
}

function machineOf({ machine }: RunConfig): string {
  const memory = Math.round(machine.memoryBytes / 2 ** 30);
  const gpus = (machine.gpus ?? []).map(({ name }) => name);
  const kinds = [...new Set(gpus)].map(
    (name) => `${gpus.filter((one) => one === name).length} × ${plain(name)}`,
  );
  const python = machine.python === null ? '' : ` · Python ${machine.python}`;
  return `**Machine** ${machine.os} ${machine.architecture} · ${machine.processors} processors · ${memory} GiB${kinds.map((kind) => ` · ${kind}`).join('')}${python}`;
}

function next(outputs: number, { state }: RunConfig, limits: string | undefined): string {
  // Where the hand-off ends with the workflow run, the store may not: package-model copies the Run into it.
  const until =
    limits === undefined
      ? ''
      : ' and keeps the Run in the store; until then only the artifacts of this run have it';
  if (state === 'succeeded')
    return `**Next** package-model takes the model out of its ${outputs} outputs${until}.`;
  if (state === 'checkpointed')
    return '**Next** the next segment goes on from its checkpoint; there is no model yet.';
  return '**Next** nothing was packaged, and what serves goes on serving. The Run is kept with its log and metrics, without outputs.';
}

/** Another job of the same commit was waited for. */
function reusedSummary({ trainer, run }: TrainResult): string {
  const metrics = Object.entries(run.config.metrics).map(([name, value]) => [
    code(name),
    `**${figure(value)}**`,
  ]);
  return [
    `### ♻ ${plain(trainer.config.name)} · nothing to train · another job of this commit has just made run ${short(run.digest)}`,
    metrics.length > 0 ? table(['metric', '>last'], metrics) : '',
    digests([
      ['run', run.digest],
      ['training id', run.config.trainingId],
    ]),
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** What was found of the machine, folded away; what is not as it should be is seen at once. */
function findingsTable(findings: readonly Finding[]): string {
  if (findings.length === 0) return '';
  const rows = findings.map(({ what, asked = '', found, verdict, fix = '' }) =>
    [`${verdict === 'ok' ? '✅' : '⚠️'} ${what}`, asked, found, fix].map(plain),
  );
  const warnings = findings.filter(({ verdict }) => verdict !== 'ok').map(({ what }) => what);
  const title = warnings.length === 0 ? 'Preflight' : `Preflight: look at ${plain(warnings.join(', '))}`;
  return `<details><summary>${title}</summary>\n\n${table(['what', 'asked', 'found', ''], rows)}\n</details>`;
}
