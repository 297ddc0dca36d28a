/** What a soak counts. */

export class Totals {
  rounds = 0;
  kills = 0;
  records = 0;
  /** Bytes of blobs in work that succeeded. */
  readonly moved = { written: 0, read: 0 };
  /** By kind of work: how often it succeeded, and how often it failed with an error that is told. */
  readonly work = new Map<string, { done: number; failed: number }>();
  readonly faults = new Map<string, number>();
  /** What was lost, differed, did not converge, or failed without words for people. Empty when all is well. */
  readonly losses: string[] = [];

  count(kind: string, outcome: 'done' | 'failed'): void {
    const counts = this.work.get(kind) ?? { done: 0, failed: 0 };
    counts[outcome] += 1;
    this.work.set(kind, counts);
  }

  countFault(kind: string): void {
    this.faults.set(kind, (this.faults.get(kind) ?? 0) + 1);
  }

  /** Lines for people. */
  text(): string {
    const work = [...this.work].map(([kind, { done, failed }]) => `${kind} ${done} (${failed} failed)`);
    const faults = [...this.faults].sort(([a], [b]) => a.localeCompare(b));
    const sum = faults.reduce((all, [, count]) => all + count, 0);
    const { written, read } = this.moved;
    return [
      `${this.rounds} rounds, ${this.records} records, the registry killed ${this.kills} times`,
      `work: ${work.join(', ')}`,
      `bytes: ${megabytes(written)} written, ${megabytes(read)} read`,
      `faults: ${sum} (${faults.map(([kind, count]) => `${kind}: ${count}`).join(', ')})`,
      `losses: ${this.losses.length}`,
      ...this.losses.map((loss) => `  - ${loss}`),
    ].join('\n');
  }
}

function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
