import type { Digest } from '../lib/digest.ts';
import type { Project } from '../source/project.ts';
import type { Environment } from '../source/read-environment.ts';
import type { Store } from '../store/store.ts';
import { noteOn } from './gate-words.ts';
import type { Model } from './parts.ts';
import { readBaseline, type Serving } from './serving.ts';

/** One metric of a package held against what an environment serves now. */
export interface Comparison {
  readonly metric: string;
  readonly baseline: string;
  /** Whose metric it is held against; undefined when nothing is known to serve there. */
  readonly against: Digest | undefined;
  readonly isMore: boolean;
  readonly tolerance: number;
  readonly found: number | undefined;
  readonly wanted: number | undefined;
  readonly holds: boolean;
  /** What a person must know of the baseline: that there is none, or that it was trained on other data. */
  readonly note: string | undefined;
}

/** Gates that cannot be held: a sentence each. @param isKnown whether the commit has an environment of that name */
export function gateProblems(
  { value: { metrics }, place }: Environment,
  goals: Project['metrics'],
  isKnown: (environment: string) => boolean,
): string[] {
  return Object.entries(metrics).flatMap(([metric, { baseline }]) => [
    ...(Object.hasOwn(goals, metric)
      ? []
      : [
          `${place(['metrics', metric])}: whether more or less of ${metric} is better must be said in trainyard.yml: metrics: {${metric}: {goal: maximize}}`,
        ]),
    ...(isKnown(baseline)
      ? []
      : [`${place(['metrics', metric, 'baseline'])}: the commit has no environment ${baseline}`]),
  ]);
}

/** Holds a model's metrics against those of what the environments serve now, by the store's word. */
export async function holdGates(
  metrics: Environment['value']['metrics'],
  goals: Project['metrics'],
  model: Model,
  store: Store,
): Promise<Comparison[]> {
  const live = new Map<string, Promise<Serving>>();
  const serving = (environment: string): Promise<Serving> => {
    const known = live.get(environment) ?? readBaseline(store, model.facts.name, environment);
    live.set(environment, known);
    return known;
  };
  const comparisons: Comparison[] = [];
  for (const [metric, gate] of Object.entries(metrics))
    comparisons.push(
      compare(metric, gate, goals[metric]?.goal !== 'minimize', model, await serving(gate.baseline)),
    );
  return comparisons;
}

function compare(
  metric: string,
  { baseline, tolerance }: Environment['value']['metrics'][string],
  isMore: boolean,
  model: Model,
  { release, parts }: Serving,
): Comparison {
  const found = model.facts.metrics[metric];
  const wanted = parts?.facts.metrics[metric];
  const worse = found === undefined || wanted === undefined ? 0 : isMore ? wanted - found : found - wanted;
  // Not to fail for the last digit of a difference such as 0.969 - 0.005.
  const rounding = 1e-12 * Math.max(1, Math.abs(wanted ?? 0));
  return {
    metric,
    baseline,
    against: release,
    isMore,
    tolerance,
    found,
    wanted,
    holds:
      found !== undefined &&
      worse <= tolerance + rounding &&
      (release === undefined) === (parts === undefined),
    note: noteOn(metric, baseline, model, { release, parts }),
  };
}
