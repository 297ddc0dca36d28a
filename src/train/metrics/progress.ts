import type { JsonObject } from '../../lib/json.ts';
import { secondsText } from '../../lib/progress.ts';
import type { MetricsLine } from '../../records/metrics-line.ts';
import { Pace } from './pace.ts';

/** A line of the log names no more. */
const MOST_VALUES = 8;
const STEPS = ['steps', 'max_steps', 'max-steps', 'total_steps', 'total-steps'];

/** What is known of how far a training is to go. */
interface Goal {
  readonly unit: 'step' | 'epoch';
  readonly total: number;
}

/**
 * Tells how far a training is: `step 120/2000 loss 0.31 (4.2 steps/s, 7 min left)`. The time left is told only where it is known
 * what is counted: steps against the source's own total or a parameter `steps`, a metric `epoch` against a parameter `epochs`.
 */
export class Progress {
  readonly #params: JsonObject;
  readonly #now: () => number;
  readonly #paces = { step: new Pace(), epoch: new Pace() };

  /** @param now the clock, in milliseconds; it never goes back */
  constructor(params: JsonObject, now: () => number = () => performance.now()) {
    this.#params = params;
    this.#now = now;
  }

  /**
   * One line for the log, whatever the names hold; undefined where there is nothing to tell.
   * @param total how many steps the source says there will be
   */
  tell({ step, values }: MetricsLine, total: number | undefined): string | undefined {
    if (values.length === 0) return undefined;
    const counts = { step, epoch: values.find(([name]) => name === 'epoch')?.[1] };
    for (const unit of ['step', 'epoch'] as const) this.#paces[unit].add(counts[unit], this.#now());
    const goal = this.#goal(counts, total);
    const of = goal?.unit === 'step' ? `/${goal.total}` : '';
    const rate = this.#paces.step.rate;
    const notes = [
      ...(rate === undefined ? [] : [`${figure(rate)} steps/s`]),
      ...(goal === undefined ? [] : this.#left(goal, counts[goal.unit] ?? 0)),
    ];
    return [
      ...(step === undefined ? [] : [`step ${step}${of}`]),
      ...lossFirst(values).map(([name, value]) => `${name.replace(/\p{Cc}/gu, ' ')} ${figure(value)}`),
      ...(values.length > MOST_VALUES ? [`and ${values.length - MOST_VALUES} more`] : []),
      ...(notes.length === 0 ? [] : [`(${notes.join(', ')})`]),
    ].join(' ');
  }

  #goal(counts: Readonly<Record<Goal['unit'], number | undefined>>, total: number | undefined) {
    const steps = total ?? STEPS.map((name) => this.#params[name]).find((value) => typeof value === 'number');
    const goals: readonly Goal[] = [
      ...(typeof steps === 'number' ? [{ unit: 'step' as const, total: steps }] : []),
      ...(typeof this.#params.epochs === 'number'
        ? [{ unit: 'epoch' as const, total: this.#params.epochs }]
        : []),
    ];
    // Who goes beyond a total counts something else.
    return goals.find(({ unit, total: end }) => (counts[unit] ?? Number.POSITIVE_INFINITY) <= end);
  }

  #left({ unit, total }: Goal, count: number): string[] {
    const rate = this.#paces[unit].rate;
    return rate === undefined || rate <= 0 ? [] : [`${secondsText((total - count) / rate)} left`];
  }
}

function lossFirst(values: MetricsLine['values']): MetricsLine['values'] {
  const isLoss = ([name]: MetricsLine['values'][number]): boolean => /loss$/i.test(name);
  return [...values.filter(isLoss), ...values.filter((value) => !isLoss(value))].slice(0, MOST_VALUES);
}

function figure(value: number): string {
  return String(Number(value.toPrecision(4)));
}
