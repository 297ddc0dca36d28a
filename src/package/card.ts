import type { Stored } from '../records/kind.ts';
import type { RunConfig } from '../records/run.ts';

/**
 * The model card: the user's own text, then what Trainyard knows, without anything that changes from one packaging of
 * the Run to the next.
 */
export function modelCard(name: string, text: string | undefined, run: Stored<RunConfig>): string {
  const { metrics, params, data, trainingId } = run.config;
  return [
    text?.trimEnd() ?? `# ${name}`,
    section(
      'Metrics',
      ['metric', 'value'],
      Object.entries(metrics).map(([metric, value]) => [metric, String(value)]),
    ),
    section(
      'Parameters',
      ['parameter', 'value'],
      Object.entries(params).map(([key, value]) => [key, JSON.stringify(value)]),
    ),
    section('Data', ['data set', 'digest'], Object.entries(data)),
    section(
      'Lineage',
      ['record', 'digest'],
      [
        ['run', run.digest],
        ['trainer', run.manifest.subject?.digest ?? ''],
        ['training id', trainingId],
      ],
    ),
  ]
    .filter(Boolean)
    .join('\n\n')
    .concat('\n');
}

function section(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s+/g, ' ')).join(' | ')} |`;
  return [`## ${title}`, '', line(columns), line(columns.map(() => '---')), ...[...rows].map(line)].join(
    '\n',
  );
}
