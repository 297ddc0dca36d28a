import { block, code, plain } from '../github/markdown.ts';
import { endedText } from '../records/run.ts';
import type { TrainResult } from '../train/request.ts';
import { durationText, figure } from './figures.ts';
import { timeOf } from './segments.ts';

/** Whether the trainer works at all, before a GPU is asked for. */
export function smokeSummary({ trainer, run, lastLines }: TrainResult): string {
  const { state, reason, params, metrics } = run.config;
  const succeeded = state === 'succeeded';
  const list = (title: string, values: readonly string[]): string =>
    values.length === 0 ? '' : `**${title}** ${values.map(code).join(' · ')}`;
  return [
    `### ${succeeded ? '✅' : '❌'} ${plain(trainer.config.name)} · smoke test ${succeeded ? 'passed in' : `${endedText(state)} after`} ${durationText(timeOf(run.config))}`,
    reason === undefined ? '' : `**Why:** ${plain(reason)}.`,
    !succeeded && lastLines.length > 0 ? `The last lines of its log:\n\n${block(lastLines.join('\n'))}` : '',
    list(
      'Parameters',
      Object.entries(params).map(([name, value]) => `${name} ${JSON.stringify(value)}`),
    ),
    list(
      'Metrics',
      Object.entries(metrics).map(([name, value]) => `${name} ${figure(value)}`),
    ),
    succeeded
      ? '**Next** the training. Nothing of this try was kept.'
      : '**Next** no GPU was asked for. Mend the trainer and commit.',
  ]
    .filter(Boolean)
    .join('\n\n');
}
