import { readFile } from 'node:fs/promises';
import { findGroup } from '../../lib/descendants.ts';

/** The kernel counts processor time in hundredths of a second, whatever its own clock does (proc(5), USER_HZ). */
const TICKS = 100;
const PAGE = 4096;
/** Finding processes reads the environment of each; those that are known are asked more often. */
const SEARCH_EVERY = 3;

/** Processor time and memory of all processes with a marker, sampled. */
export class ProcessUse {
  readonly #marker: string;
  /** The largest processor time that each was seen with, in ticks. */
  readonly #ticks = new Map<number, number>();
  #pids: readonly number[] = [];
  #count = 0;
  memoryPeakBytes = 0;

  constructor(marker: string) {
    this.#marker = marker;
  }

  /** Of all processes that were seen, those that have ended between two looks with less than all of it. */
  get cpuSeconds(): number {
    return [...this.#ticks.values()].reduce((sum, ticks) => sum + ticks, 0) / TICKS;
  }

  async sample(): Promise<void> {
    if (this.#count++ % SEARCH_EVERY === 0)
      this.#pids = (await findGroup(this.#marker)).map(({ pid }) => pid).filter((pid) => pid > 0);
    const bytes = await Promise.all(this.#pids.map((pid) => this.#look(pid)));
    const sum = bytes.reduce((total, one) => total + one, 0);
    this.memoryPeakBytes = Math.max(this.memoryPeakBytes, sum);
  }

  /** Fields of /proc/PID/stat, counted after the name, which may hold spaces: 11 and 12 are its own time, 21 its pages. */
  async #look(pid: number): Promise<number> {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
    if (ticks >= (this.#ticks.get(pid) ?? 0)) this.#ticks.set(pid, ticks);
    return Number(fields[21] ?? 0) * PAGE;
  }
}
