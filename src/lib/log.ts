/** Where a stage tells people what it does; passed in, so that tests record it. */
export interface Log {
  info(line: string): void;
  warning(line: string): void;
  /** A phase of the work, folded in the log. */
  group<T>(title: string, work: () => Promise<T>): Promise<T>;
}
