import type { Found } from '../lib/descendants.ts';
import type { Exit } from '../lib/process.ts';
import type { MemoryKills } from './memory-kills.ts';

/** What brought the end: the program itself, or what we ended it for. */
export type Cause =
  | 'itself'
  | 'cancelled'
  /** The time budget of this segment. */
  | 'budget'
  /** trainer.timeout */
  | 'timeout'
  | 'silence'
  /** A metric of trainer.finite that is not. */
  | 'divergence'
  /** There is no room for its log. */
  | 'disk';

export interface Ending {
  readonly cause: Cause;
  /** Of the program's first process. */
  readonly exit: Exit;
  /** When it was asked to stop, in milliseconds since 1970; undefined when it ended by itself. */
  readonly askedAt: number | undefined;
  /** When the newest complete checkpoint of that moment was made. */
  readonly checkpointBefore: number | undefined;
  /** What the program had left running; it was ended too. */
  readonly survivors: readonly Found[];
  /** Metrics of trainer.finite that were NaN or infinite. */
  readonly diverged: readonly string[];
}

/** What the system says that started the program, such as Slurm, of its end. */
export interface LauncherSays {
  /** `stopped`: at a limit, or for somebody else's job; `lost`: with its machine. */
  readonly what: 'out-of-memory' | 'stopped' | 'cancelled' | 'lost' | 'failed';
  /** In one sentence without its stop: "Slurm ended job 12 at its time limit". */
  readonly reason: string;
  readonly advice: string;
  /** When it asked the program to stop, in milliseconds since 1970, where it did. */
  readonly askedAt?: number;
}

/** All that a verdict is found from. */
export interface Evidence {
  readonly ending: Ending;
  /** The last lines of the log, newest last. */
  readonly lastLines: readonly string[];
  /** How often the kernel ended a process for want of memory meanwhile. */
  readonly memoryKills: MemoryKills;
  /** When the newest complete checkpoint was made, in milliseconds since 1970; undefined without one. */
  readonly checkpointAt?: number | undefined;
  /** The disks without room, as a person would say it: "the disk at /data, 0 B of 2 TB free". */
  readonly fullDisk?: string | undefined;
  /** All disks that were written to, likewise: what a program wrote in part may be gone. */
  readonly disks?: string | undefined;
  readonly launcher?: LauncherSays | undefined;
}
