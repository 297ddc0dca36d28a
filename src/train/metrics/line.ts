/** One line of the metrics file: `{"step": 1, "loss": 0.5}`. */
export interface MetricsLine {
  readonly step: number | undefined;
  readonly values: readonly (readonly [name: string, value: number])[];
  /** What could not be used of it; empty when all could. */
  readonly problem: string;
}

/** Reads a line of the metrics file (JSON Lines). NaN and Infinity, which some JSON writers emit, are told as such. */
export function parseMetricsLine(text: string): MetricsLine {
  const parsed = parse(text);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return { step: undefined, values: [], problem: 'is not a JSON object' };
  const values: [string, number][] = [];
  const unusable: string[] = [];
  let step: number | undefined;
  for (const [name, value] of Object.entries(parsed)) {
    if (typeof value !== 'number' || !Number.isFinite(value)) unusable.push(name);
    else if (name === 'step') step = value;
    else values.push([name, value]);
  }
  const names = unusable.map((name) => JSON.stringify(name)).join(', ');
  return { step, values, problem: names === '' ? '' : `has no finite number for ${names}` };
}

function parse(text: string): unknown {
  for (const candidate of [text, text.replace(/([:,[]\s*)(?:NaN|-?Infinity)\b/g, '$1null')]) {
    try {
      return JSON.parse(candidate);
    } catch {}
  }
  return undefined;
}
