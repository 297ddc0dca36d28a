import { pidsOf } from '../../lib/descendants.ts';
import { statOf } from '../../lib/process-stat.ts';

/** The kernel counts processor time in hundredths of a second, whatever its own clock does (proc(5), USER_HZ). */
const TICKS = 100;
const PAGE = 4096;
/** Finding processes reads the environment of each; those that are known are asked more often. */
const SEARCH_EVERY = 3;
/** A program starts its processes in the beginning. */
const FIRST_SEARCHES = 4;

/** Processor time and memory of all processes with a marker, sampled. */
export class ProcessUse {
  readonly #marker: string;
  #pids: readonly number[] = [];
  #count = 0;
  memoryPeakBytes = 0;
  /** That of those who have ended counts once their parent knows of it. */
  cpuSeconds = 0;

  constructor(marker: string) {
    this.#marker = marker;
  }

  async sample(): Promise<void> {
    if (this.#count < FIRST_SEARCHES || this.#count % SEARCH_EVERY === 0)
      this.#pids = await pidsOf(this.#marker);
    this.#count++;
    const looks = this.#pids.map(look);
    const sum = (pick: (one: Look) => number): number => looks.reduce((total, one) => total + pick(one), 0);
    this.memoryPeakBytes = Math.max(this.memoryPeakBytes, PAGE * sum(({ pages }) => pages));
    this.cpuSeconds = Math.max(this.cpuSeconds, sum(({ ticks }) => ticks) / TICKS);
  }
}

interface Look {
  readonly ticks: number;
  readonly pages: number;
}

/** Fields 11 to 14 are its time and that of its ended children, 21 its pages. */
function look(pid: number): Look {
  const fields = statOf(pid).map(Number);
  const ticks = [11, 12, 13, 14].reduce((sum, at) => sum + (fields[at] ?? 0), 0);
  return { ticks, pages: fields[21] ?? 0 };
}
