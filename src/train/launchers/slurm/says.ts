import type { LauncherSays } from '../../ending.ts';
import type { JobState } from './controller.ts';

/** What the script told of itself. */
export interface ScriptState {
  /** The job's number. */
  readonly job: string | undefined;
  /** The machine that it runs on. */
  readonly host: string | undefined;
  /** When Slurm warned it, in milliseconds since 1970. */
  readonly warnedAt: number | undefined;
  /** The status that the program ended with. */
  readonly status: number | undefined;
}

/** Reads what the script has written so far; a line without its end is left out. */
export function parseState(text: string): ScriptState {
  const of = (word: string): string | undefined => new RegExp(`^${word} (.*)\\n`, 'm').exec(text)?.[1];
  const numberOf = (word: string): number | undefined => {
    const found = of(word);
    return found === undefined ? undefined : Number(found);
  };
  const warned = numberOf('warned');
  return {
    job: of('job'),
    host: of('began'),
    warnedAt: warned === undefined ? undefined : 1000 * warned,
    status: numberOf('ended'),
  };
}

const TIME = 'give the launcher more time (trainer.launcher.slurm.time), or let time-budget end it before';

/** Nobody knows when it was asked, so any checkpoint that it made counts. */
const ANY = { askedAt: 0 };

/** What Slurm has to say of a job's end; undefined when the program's own status tells all. */
export function sayOf(
  job: string,
  last: JobState | undefined,
  { warnedAt, status }: ScriptState,
): LauncherSays | undefined {
  if (last?.state === 'OUT_OF_MEMORY')
    return {
      what: 'out-of-memory',
      reason: `Slurm ended job ${job} because it used more memory than it had asked for`,
      advice: 'ask for more, for example options: [--mem=64G], or use a smaller batch',
    };
  // Also of one that ended with status 0: that is how a program stops that was asked to.
  if (warnedAt !== undefined)
    return {
      what: 'stopped',
      reason: `Slurm job ${job} came near to its time limit`,
      advice: TIME,
      askedAt: warnedAt,
    };
  switch (last?.state) {
    case 'TIMEOUT':
    case 'DEADLINE':
      return { what: 'stopped', reason: `Slurm ended job ${job} at its time limit`, advice: TIME, ...ANY };
    case 'PREEMPTED':
      return {
        what: 'stopped',
        reason: `Slurm ended job ${job} for another one`,
        advice: 'start it again, or use a partition whose jobs are not preempted',
        ...ANY,
      };
    case 'NODE_FAIL':
    case 'BOOT_FAIL':
      return { what: 'lost', reason: `a node of Slurm job ${job} failed`, advice: 'start it again', ...ANY };
    case 'CANCELLED':
      return {
        what: 'cancelled',
        reason: `Slurm job ${job} was cancelled`,
        advice: 'start it again when you want it',
      };
  }
  if (status !== undefined) return undefined;
  return {
    what: 'lost',
    reason: `Slurm job ${job} ended (${last?.state ?? 'and Slurm has forgotten it'}) without a word of its script`,
    advice:
      'the workspace must lie on a disk that the nodes see, too: TRAINYARD_SLURM_FOLDER names a folder there',
  };
}
