/** The first colour of Mermaid's own palette can hardly be seen on white, and its own background is a grey box on a dark page. */
const LOOK =
  '%%{init: {"xyChart": {"height": 320}, "themeVariables": {"xyChart": {"plotColorPalette": "#1f6feb", "backgroundColor": "transparent"}}}}%%';

/** Mermaid's numbers have no exponents. */
function decimal(value: number): string {
  const text = String(Number(value.toPrecision(5)));
  return text.includes('e') ? value.toFixed(12).replace(/\.?0+$/, '') : text;
}

/**
 * A line over the steps as a Mermaid chart (xychart), or nothing where there is no course to show.
 * @param points at most a few hundred, evenly spread, in the order of their steps
 */
export function lineChart(
  title: string,
  points: readonly (readonly [step: number, value: number])[],
): string {
  const first = points[0];
  const last = points.at(-1);
  const tooLarge = points.some(([, value]) => Math.abs(value) >= 1e15);
  if (first === undefined || last === undefined || last[0] <= first[0] || tooLarge) return '';
  const values = points.map(([, value]) => value);
  const low = Math.min(...values);
  const high = Math.max(...values);
  const margin = (high - low || Math.abs(high) || 1) / 20;
  return [
    '```mermaid',
    LOOK,
    'xychart-beta',
    `  title "${title.replace(/[^\p{L}\p{N} ._/@:-]/gu, ' ').slice(0, 60)}"`,
    `  x-axis "step" ${decimal(first[0])} --> ${decimal(last[0])}`,
    `  y-axis ${decimal(low - margin)} --> ${decimal(high + margin)}`,
    `  line [${values.map(decimal).join(', ')}]`,
    '```',
  ].join('\n');
}
