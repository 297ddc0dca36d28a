import type { Log } from '../../src/lib/log.ts';

/** A log that tests read. */
export interface RecordingLog extends Log {
  readonly lines: string[];
  readonly warnings: string[];
}

export function recordingLog(): RecordingLog {
  const lines: string[] = [];
  const warnings: string[] = [];
  return {
    lines,
    warnings,
    info: (line) => void lines.push(line),
    warning: (line) => void warnings.push(line),
    group: (title, work) => {
      lines.push(title);
      return work();
    },
  };
}
