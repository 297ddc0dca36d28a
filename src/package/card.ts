import type { Stored } from '../records/kind.ts';
import type { ModelConfig } from '../records/package.ts';
import type { RunConfig } from '../records/run.ts';
import { type Card, parseCard, renderCard } from './front-matter.ts';
import { modelIndex } from './model-index.ts';

/** Formats that a library is named after on the Hugging Face Hub. */
const LIBRARIES: Readonly<Record<string, string>> = { onnx: 'onnx', gguf: 'gguf' };

/**
 * The model card: the user's own text and metadata, then what Trainyard knows, without anything that changes from one
 * packaging of the Run to the next.
 */
export function modelCard(
  name: string,
  card: Card | undefined,
  run: Stored<RunConfig>,
  { format, ...rest }: ModelConfig['config'],
): string {
  const { metrics, params, data, trainingId } = run.config;
  const user = card ?? parseCard(`# ${name}`, name);
  const text = [
    user.text.trimEnd(),
    section('Model', ['property', 'value'], Object.entries({ format, ...rest }).map(textual)),
    section('Metrics', ['metric', 'value'], Object.entries(metrics).map(textual)),
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
  const library = LIBRARIES[format ?? ''];
  const task = user.metadata.get('pipeline_tag');
  return renderCard(
    { metadata: user.metadata, text },
    {
      ...(library !== undefined && { library_name: library }),
      ...(Object.keys(metrics).length > 0 && {
        'model-index': modelIndex(name, typeof task === 'string' ? task : 'other', metrics, data),
      }),
    },
  );
}

function textual([key, value]: [string, unknown]): string[] {
  return [key, String(value)];
}

function section(title: string, columns: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s+/g, ' ')).join(' | ')} |`;
  return [`## ${title}`, '', line(columns), line(columns.map(() => '---')), ...[...rows].map(line)].join(
    '\n',
  );
}
