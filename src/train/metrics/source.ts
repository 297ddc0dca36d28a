import type { MetricsLine } from '../../records/metrics-line.ts';

/** A program that has no end of names must not fill our memory. */
export const MAX_NAMES = 500;

/** Lines as they come; `anew` where all that came before no longer counts. */
export type Batch = 'anew' | readonly MetricsLine[];

/** Where metrics of a running program come from. */
export interface Source {
  /** For messages. */
  readonly name: string;
  /** How many steps there will be, where the source says it. */
  readonly total?: number | undefined;
  /**
   * What was written since. What has no end yet is left for later.
   * @param isOver whether the program has ended, so that nothing will come later
   */
  read(isOver: boolean): AsyncIterable<Batch>;
}

/** A line that says only what is wrong. */
export function problem(text: string): MetricsLine {
  return { step: undefined, values: [], nonFinite: [], problem: text };
}
