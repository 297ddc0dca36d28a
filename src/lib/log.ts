/** Where a stage tells people what it does; passed in, so that tests record it. */
export interface Log {
  info(line: string): void;
  warning(line: string): void;
  /** A phase of the work, folded in the log. */
  group<T>(title: string, work: () => Promise<T>): Promise<T>;
}

/** Where the lines of a user's program are shown while it runs, such that none of them can command the place. */
export interface ProgramConsole {
  write(chunk: Uint8Array): void;
  /** A line of ours between them. */
  say(line: string): void;
}
