import type { Project } from '../source/project.ts';

/** One metric of `trainyard.yml` held against the Run's. */
export interface Gate {
  readonly metric: string;
  readonly found: number | undefined;
  /** For people: `≥ 0.95`. */
  readonly wanted: string;
  readonly holds: boolean;
}

/** Holds every threshold against the metrics of a Run; a metric that is missing does not hold. */
export function checkThresholds(
  thresholds: Project['metrics'],
  metrics: Readonly<Record<string, number>>,
): Gate[] {
  return Object.entries(thresholds).map(([metric, { min, max }]) => {
    const found = metrics[metric];
    const wanted = [min === undefined ? '' : `≥ ${min}`, max === undefined ? '' : `≤ ${max}`]
      .filter(Boolean)
      .join(' and ');
    const holds =
      found !== undefined &&
      found >= (min ?? Number.NEGATIVE_INFINITY) &&
      found <= (max ?? Number.POSITIVE_INFINITY);
    return { metric, found, wanted, holds };
  });
}

/** What to say of the gates that do not hold; undefined when all do. */
export function failureOf(gates: readonly Gate[]): string | undefined {
  const failed = gates.filter(({ holds }) => !holds);
  if (failed.length === 0) return undefined;
  const figures = failed.map(
    ({ metric, found, wanted }) =>
      `${metric} is ${found ?? 'not among the run’s metrics'}, and must be ${wanted}`,
  );
  return `the model does not hold its thresholds: ${figures.join('; ')}. Train a better one, or change metrics in trainyard.yml`;
}
