import type { MetricsLine } from '../../records/metrics-line.ts';

/** The values of the newest step among lines that may come metric by metric. */
export class Latest {
  #step: number | undefined;
  #values: Map<string, number> | undefined;

  get line(): MetricsLine | undefined {
    if (this.#values === undefined) return undefined;
    return { step: this.#step, values: [...this.#values], nonFinite: [], problem: '' };
  }

  /** @param isOwn whether a metric counts that is of this name */
  add({ step, values }: MetricsLine, isOwn: (name: string) => boolean): void {
    const own = values.filter(([name]) => isOwn(name));
    if (own.length === 0) return;
    const isAgain = own.some(([name]) => this.#values?.has(name));
    const isLater = step !== undefined && (this.#step === undefined || step > this.#step);
    if (this.#values === undefined || isAgain || isLater) {
      // A metric that comes again begins a new step, also where steps are counted anew.
      this.#values = new Map();
      this.#step = step;
    } else if (step !== undefined && step !== this.#step) return;
    for (const [name, value] of own) this.#values.set(name, value);
  }
}
