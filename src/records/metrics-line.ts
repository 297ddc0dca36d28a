/** What a source says of one step: `{"step": 1, "loss": 0.5}`. */
export interface MetricsLine {
  readonly step: number | undefined;
  readonly values: readonly (readonly [name: string, value: number])[];
  /** The metrics that were NaN or infinite. */
  readonly nonFinite: readonly string[];
  /** What could not be used of it; empty when all could. */
  readonly problem: string;
}

/** Reads a line of the metrics file (JSON Lines). */
export function parseMetricsLine(text: string): MetricsLine {
  return lineOf(parseLoose(text));
}

/** The numbers of an object; `step` is what they belong to. */
export function lineOf(found: unknown): MetricsLine {
  if (typeof found !== 'object' || found === null || Array.isArray(found))
    return { step: undefined, values: [], nonFinite: [], problem: 'is not a JSON object' };
  const values: [string, number][] = [];
  const nonFinite: string[] = [];
  const unusable: string[] = [];
  let step: number | undefined;
  for (const [name, value] of Object.entries(found)) {
    if (typeof value === 'number' && Number.isFinite(value)) {
      if (name === 'step') step = value;
      else values.push([name, value]);
      continue;
    }
    unusable.push(name);
    if (typeof value === 'number' || (typeof value === 'string' && NON_FINITE.test(value)))
      nonFinite.push(name);
  }
  return { step, values, nonFinite, problem: problemOf(unusable) };
}

/** A line of the metrics file, with its end. */
export function textOf({ step, values }: Pick<MetricsLine, 'step' | 'values'>): string {
  return `${JSON.stringify({ ...(step !== undefined && { step }), ...Object.fromEntries(values) })}\n`;
}

/** The line of one value, which may be NaN or infinite. */
export function lineOfValue(step: number | undefined, name: string, value: number): MetricsLine {
  if (Number.isFinite(value)) return { step, values: [[name, value]], nonFinite: [], problem: '' };
  return { step, values: [], nonFinite: [name], problem: problemOf([name]) };
}

/** JSON in which some writers put NaN and Infinity; these are read as an infinite number. Undefined for what is no JSON. */
export function parseLoose(text: string): unknown {
  for (const candidate of [text, text.replace(/([:,[]\s*)(?:NaN|-?Infinity)\b/g, '$11e999')]) {
    try {
      return JSON.parse(candidate);
    } catch {}
  }
  return undefined;
}

const NON_FINITE = /^[+-]?(?:nan|inf(?:inity)?)$/i;

function problemOf(unusable: readonly string[]): string {
  const names = unusable.map((name) => JSON.stringify(name)).join(', ');
  return names === '' ? '' : `has no finite number for ${names}`;
}
