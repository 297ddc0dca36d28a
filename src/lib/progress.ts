import type { Log } from './log.ts';

const EVERY_MS = 5000;

/** One transfer that a meter knows of. */
export interface Transfer {
  /** Tells that bytes went through; fewer than none when they have to go again. */
  moved(count: number): void;
  /** Whatever became of it: it is no longer waited for. */
  end(): void;
}

/** Tells people every few seconds how far all transfers together are: bytes, rate, time left. */
export class Meter {
  readonly #log: Log;
  readonly #verb: string;
  readonly #now: () => number;
  #running = 0;
  #moved = 0;
  #expected = 0;
  #begin = 0;
  #next = 0;

  /**
   * @param verb what is done, for the lines: "pushed"
   * @param now the clock, in milliseconds
   */
  constructor(log: Log, verb: string, now: () => number = () => performance.now()) {
    this.#log = log;
    this.#verb = verb;
    this.#now = now;
  }

  /** Begins a transfer of so many bytes; undefined when nobody knows. */
  start(bytes: number | undefined): Transfer {
    if (this.#running++ === 0) {
      this.#moved = this.#expected = 0;
      this.#begin = this.#now();
      this.#next = this.#begin + EVERY_MS;
    }
    this.#expected += bytes ?? Number.NaN;
    return {
      moved: (count) => {
        this.#moved += count;
        if (this.#now() >= this.#next) this.#tell();
      },
      end: () => {
        this.#running -= 1;
      },
    };
  }

  #tell(): void {
    const now = this.#now();
    this.#next = now + EVERY_MS;
    const rate = this.#moved / ((now - this.#begin) / 1000);
    const left = (this.#expected - this.#moved) / rate;
    const known = Number.isNaN(left) ? '' : ` of ${bytesText(this.#expected)}`;
    const time = Number.isNaN(left) || left < 0 ? '' : `, ${secondsText(left)} left`;
    this.#log.info(`${this.#verb} ${bytesText(this.#moved)}${known}, ${bytesText(rate)}/s${time}`);
  }
}

/** `1.2 GB`, decimal as networks and registries count. */
export function bytesText(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let [value, unit] = [bytes, 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toPrecision(2)} ${units[unit]}`;
}

/** A time for people: `40 s`, `12 min`, `3.5 h`. */
export function secondsText(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
