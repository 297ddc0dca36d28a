/** The rate is that of about the last minute. */
const WINDOW_MS = 60_000;
/** What was seen for a shorter time tells no rate. */
const SHORTEST_MS = 5000;

/** How fast a count grows. */
export class Pace {
  #marks: { readonly at: number; readonly count: number }[] = [];

  /** In counts a second; undefined until it was seen to grow. */
  get rate(): number | undefined {
    const [first, last] = [this.#marks[0], this.#marks.at(-1)];
    if (first === undefined || last === undefined || last.at - first.at < SHORTEST_MS) return undefined;
    return (1000 * (last.count - first.count)) / (last.at - first.at);
  }

  add(count: number | undefined, at: number): void {
    const last = this.#marks.at(-1);
    if (count === undefined || count === last?.count) return;
    // Counted anew.
    if (last !== undefined && count < last.count) this.#marks = [];
    this.#marks.push({ at, count });
    while (this.#marks.length > 2 && at - (this.#marks[1]?.at ?? at) >= WINDOW_MS) this.#marks.shift();
  }
}
