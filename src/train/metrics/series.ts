/** What a chart needs of a metric at most. */
const LIMIT = 100;

/** A metric over the steps: its first and last value, and a thinned course between. */
export class Series {
  readonly first: number;
  #last: number;
  #points: (readonly [step: number, value: number])[] = [];
  #stride = 1;
  #count = 0;

  constructor(first: number) {
    this.first = first;
    this.#last = first;
  }

  /** A course and what came before it, up to where it begins. */
  static join(before: Series, after: Series): Series {
    const joined = new Series(before.first);
    const { begin = Number.POSITIVE_INFINITY } = after;
    joined.#points = [...before.points.filter(([step]) => step < begin), ...after.points];
    joined.#last = after.last;
    return joined;
  }

  /** The first step that has a place in the course. */
  get begin(): number | undefined {
    return this.#points[0]?.[0];
  }

  get last(): number {
    return this.#last;
  }

  /** At most 100 of them for each segment, evenly spread: each time there are more, every second one is dropped. */
  get points(): readonly (readonly [step: number, value: number])[] {
    return this.#points;
  }

  /** A value without a step counts as the last one, but has no place in the course. */
  add(step: number | undefined, value: number): void {
    this.#last = value;
    if (step === undefined) return;
    if (this.#count++ % this.#stride === 0) this.#points.push([step, value]);
    if (this.#points.length <= LIMIT) return;
    this.#points = this.#points.filter((_, i) => i % 2 === 0);
    this.#stride *= 2;
  }
}
