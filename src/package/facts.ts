import type { ModelConfig } from '../records/package.ts';
import type { AcceptedFile } from './accept.ts';

/** The part of a package's configuration that speaks of the model. */
export type Description = Pick<ModelConfig, 'descriptor' | 'config'>;

/** Weights of one model in several files, as Hugging Face and llama.cpp name them. */
const SHARD = /-\d{5}-of-\d{5}(?=\.[a-z]+$)/;

/**
 * What the files say of the model, in ModelPack's fields. What they leave open is left out: where several files hold weights
 * and are no shards of one, nobody knows whether they are parts of one model or forms of the same.
 */
export function describeModel(name: string, files: readonly AcceptedFile[]): Description {
  const weights = files.filter(({ found }) => found.kind === 'weight' || found.kind === 'pickles');
  const [first = files[0]] = weights;
  const config = configOf(files);
  const family = textIn(config, 'model_type');
  const isOne = new Set(weights.map(({ path }) => path.replace(SHARD, ''))).size === 1;
  const facts = weights.map(({ found }) => found.facts);
  const quantization =
    facts.find((fact) => fact.quantization !== undefined)?.quantization ??
    textIn(objectIn(config, 'quantization_config'), 'quant_method');
  const [architecture] = words([
    ...listIn(config, 'architectures'),
    ...facts.map((fact) => fact.architecture),
  ]);
  // Quantised values are packed, several into one number, except in GGUF, which says how many there are.
  const isCounted = isOne && (quantization === undefined || first?.found.facts.format === 'gguf');
  const paramSize = isCounted
    ? paramSizeOf(sum(facts.map(({ parameters = Number.NaN }) => parameters)))
    : undefined;
  const precision =
    quantization === undefined ? precisionOf(facts.map(({ values }) => values ?? new Map())) : '';
  return {
    descriptor: { name, ...(family !== undefined && { family }) },
    config: {
      ...(first !== undefined && first.found.facts.format !== '' && { format: first.found.facts.format }),
      ...(architecture !== undefined && { architecture }),
      ...(paramSize !== undefined && { paramSize }),
      ...(precision !== '' && { precision }),
      ...(quantization !== undefined && { quantization }),
    },
  };
}

/** `1.2B`: at most one digit behind the point. Undefined for a number that this form cannot tell. */
export function paramSizeOf(count: number): string | undefined {
  const units = ['K', 'M', 'B', 'T', 'Q'];
  for (const [power, unit] of units.entries()) {
    const value = Number((count / 1000 ** (power + 1)).toFixed(1));
    if (value >= 0.1 && (value < 1000 || unit === 'Q')) return `${value}${unit}`;
  }
  return undefined;
}

/** The precisions, the one of most values first. */
function precisionOf(all: readonly ReadonlyMap<string, number>[]): string {
  const total = new Map<string, number>();
  for (const values of all)
    for (const [precision, count] of values) total.set(precision, (total.get(precision) ?? 0) + count);
  return [...total]
    .sort(([a, many], [b, more]) => more - many || (a < b ? -1 : 1))
    .map(([precision]) => precision)
    .join(',');
}

/** The `config.json` of transformers; the first where there are several. */
function configOf(files: readonly AcceptedFile[]): unknown {
  const file = files.find(({ path }) => /(?:^|\/)config\.json$/.test(path));
  return file?.found.kind === 'config' ? file.found.json : undefined;
}

function objectIn(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([name]) => name === key)?.[1];
}

function textIn(value: unknown, key: string): string | undefined {
  return words([objectIn(value, key)])[0];
}

function listIn(value: unknown, key: string): unknown[] {
  const found = objectIn(value, key);
  return Array.isArray(found) ? found : [];
}

/** Those that are a word: they come from the training zone, and go into documents. */
function words(values: readonly unknown[]): string[] {
  return values.filter((value) => typeof value === 'string').filter((text) => /^[\w.+-]{1,100}$/.test(text));
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
