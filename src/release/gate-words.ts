import type { Comparison } from './gate.ts';
import type { Model } from './parts.ts';
import type { Serving } from './serving.ts';

/** What to say of the gates that do not hold; undefined when all do. */
export function failureOf(gates: readonly Comparison[]): string | undefined {
  const failed = gates.filter(({ holds }) => !holds).map(sentenceOf);
  return failed.length === 0
    ? undefined
    : `nothing is released: ${failed.join('; ')}. Train a better model, or change metrics in the environment's file`;
}

function sentenceOf({ metric, baseline, found, wanted, isMore, tolerance, note }: Comparison): string {
  if (found === undefined) return `${metric} is not among the package's metrics`;
  if (wanted === undefined) return note ?? '';
  const most = tolerance === 0 ? '' : ` by more than ${tolerance}`;
  return `${metric} is ${found}, ${isMore ? 'below' : 'above'} the ${wanted} of what ${baseline} serves${most}`;
}

/** What a person must know of a baseline; undefined for nothing. */
export function noteOn(
  metric: string,
  baseline: string,
  model: Model,
  { release, parts }: Serving,
): string | undefined {
  const nothing = 'so there is nothing to compare with';
  if (release === undefined) return `nothing is known to serve in ${baseline} yet, ${nothing}`;
  if (parts === undefined)
    return `${release} serves in ${baseline}, and the store does not hold it, ${nothing}`;
  if (parts.facts.metrics[metric] === undefined)
    return `the model in ${baseline} has no ${metric}, ${nothing}`;
  if (parts.run === undefined || model.run === undefined)
    return `the store no longer knows which data the model in ${baseline} was trained on`;
  const [theirs, ours] = [parts.run.config.data, model.run.config.data];
  const names = [...new Set([...Object.keys(theirs), ...Object.keys(ours)])];
  const other = names.filter((name) => theirs[name] !== ours[name]);
  return other.length === 0
    ? undefined
    : `the model in ${baseline} was trained on other data (${other.join(', ')})`;
}
