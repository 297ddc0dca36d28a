import { isDiskFull } from '../lib/disk-full.ts';
import { codeOf, messageOf, UserError } from '../lib/errors.ts';
import type { Descriptor } from '../records/oci.ts';
import type { RunState } from '../records/run.ts';
import type { Evidence } from './ending.ts';
import { type Sign, signIn } from './signs.ts';

export interface Verdict {
  readonly state: RunState;
  /** Why it did not succeed, and what to do. */
  readonly reason?: string;
  /** Only of a training that succeeded. */
  readonly outputs: readonly Descriptor[];
}

/** The limits of a training, in seconds. */
export interface Limits {
  readonly timeoutSeconds?: number | undefined;
  readonly silenceSeconds?: number | undefined;
  readonly timeBudgetSeconds?: number | undefined;
}

/** What the rules look at. */
interface Case extends Evidence, Limits {
  readonly sign: Sign | undefined;
  /** It ended by itself, and not well. */
  readonly isFailing: boolean;
  /** A complete checkpoint is newer than the request to stop. */
  readonly isKept: boolean;
}

interface Rule {
  readonly state: RunState;
  when(found: Case): boolean;
  /** Half a sentence each: why, and what to do. */
  why(found: Case): string;
  readonly fix: string | ((found: Case) => string);
}

const KEPT = 'start it again, and it goes on from that checkpoint';
const NOT_KEPT =
  'its program must write a checkpoint when it gets SIGTERM, and a checkpoint counts once it is complete, such as renamed into its place; or give it a larger time-budget';
const MEMORY =
  'give it a machine with more memory (and ask for that by trainer.resources.memory), a smaller batch, or fewer processes that load data';

/** From the surest to the least sure; the first one that applies is the verdict. */
const RULES: readonly Rule[] = [
  {
    state: 'cancelled',
    when: ({ ending, launcher }) => ending.cause === 'cancelled' || launcher?.what === 'cancelled',
    why: ({ launcher }) => launcher?.reason ?? 'it was cancelled, and its program ended',
    fix: ({ checkpointAt }) =>
      checkpointAt === undefined
        ? 'start it again when you want it'
        : 'start it again, and it goes on from its newest checkpoint',
  },
  {
    state: 'diverged',
    when: ({ ending }) => ending.diverged.length > 0,
    why: ({ ending }) => `${ending.diverged.join(', ')} became NaN or infinite`,
    fix: 'try a lower learning rate, clip gradients, or look for bad values in the data; trainer.finite names the metrics that must stay finite',
  },
  {
    state: 'hung',
    when: ({ ending }) => ending.cause === 'silence',
    why: ({ silenceSeconds }) =>
      `it printed nothing, wrote no metrics and completed no checkpoint for ${silenceSeconds} seconds, and was ended`,
    fix: 'the last lines of its log show where it stood; raise trainer.silence in trainyard.yml if it may be silent for longer',
  },
  {
    state: 'failed',
    when: ({ ending }) => ending.cause === 'timeout',
    why: ({ timeoutSeconds }) => `it was ended after ${timeoutSeconds} seconds, the trainer's timeout`,
    fix: 'raise trainer.timeout in trainyard.yml if it needs longer',
  },
  {
    state: 'disk-full',
    when: ({ ending }) => ending.cause === 'disk',
    why: (found) => `there is no room left for its log${where(found)}, and it was ended`,
    fix: 'make room on that disk',
  },
  {
    state: 'checkpointed',
    when: ({ ending, launcher, isKept }) =>
      isKept && (ending.cause === 'budget' || launcher?.what === 'stopped' || launcher?.what === 'lost'),
    why: ({ launcher, timeBudgetSeconds }) =>
      `${launcher?.reason ?? `its time budget of ${timeBudgetSeconds} seconds was used up`}, and it stopped with a checkpoint`,
    fix: KEPT,
  },
  {
    state: 'failed',
    when: ({ ending }) => ending.cause === 'budget',
    why: ({ timeBudgetSeconds }) =>
      `its time budget of ${timeBudgetSeconds} seconds was used up, and it completed no checkpoint after it was asked to stop`,
    fix: NOT_KEPT,
  },
  {
    state: 'out-of-memory',
    when: ({ launcher }) => launcher?.what === 'out-of-memory',
    why: ({ launcher }) => launcher?.reason ?? '',
    fix: ({ launcher }) => launcher?.advice ?? MEMORY,
  },
  {
    state: 'failed',
    when: ({ launcher }) => launcher !== undefined,
    why: ({ launcher }) => launcher?.reason ?? '',
    fix: ({ launcher }) => launcher?.advice ?? '',
  },
  {
    state: 'out-of-gpu-memory',
    when: ({ isFailing, sign }) => isFailing && sign === 'gpu-memory',
    why: () => 'it ran out of GPU memory',
    fix: 'use a smaller batch, mixed precision or gradient checkpointing, or ask for larger GPUs by trainer.resources.gpu-memory',
  },
  {
    state: 'disk-full',
    when: ({ isFailing, sign, fullDisk }) => isFailing && (sign === 'disk' || fullDisk !== undefined),
    why: (found) => `it found no room left on a disk${where(found)}`,
    fix: 'make room there, write less, or keep fewer checkpoints (trainer.checkpoints.keep)',
  },
  {
    state: 'out-of-memory',
    when: (found) => found.isFailing && found.sign === 'memory',
    why: () => 'it asked for more memory than the machine has',
    fix: MEMORY,
  },
  {
    state: 'out-of-memory',
    when: (found) => found.isFailing && (kills(found) || found.ending.exit.status === 137),
    why: (found) =>
      kills(found)
        ? 'the kernel ended a process of it, because memory ran out'
        : 'a process of it was ended by SIGKILL (status 137), as happens when memory runs out',
    fix: MEMORY,
  },
  {
    state: 'failed',
    when: ({ ending }) => ending.exit.signal === 'SIGKILL',
    why: () => 'something else ended its program by SIGKILL',
    fix: 'the machine may have run out of memory, though the kernel counted no such end: look for a memory guard such as earlyoom or systemd-oomd, or for a person',
  },
  {
    state: 'failed',
    when: ({ ending }) => ending.exit.signal !== null,
    why: ({ ending }) => `its program was ended by ${ending.exit.signal}`,
    fix: 'the last lines of its log may say why',
  },
  {
    state: 'failed',
    when: ({ isFailing }) => isFailing,
    why: ({ ending }) => `its program ended with status ${ending.exit.status}`,
    fix: 'the last lines of its log say why',
  },
];

/**
 * Judges how a training ended: by itself, with status 0, and with outputs that can be taken, or in one of eight other states.
 * @param collect takes the outputs; not called unless all went well before
 */
export async function judge(
  evidence: Evidence,
  limits: Limits,
  collect: () => Promise<readonly Descriptor[]>,
): Promise<Verdict> {
  const found = caseOf(evidence, limits);
  const rule = RULES.find(({ when }) => when(found));
  if (rule !== undefined) {
    const fix = typeof rule.fix === 'string' ? rule.fix : rule.fix(found);
    return { state: rule.state, reason: [rule.why(found), fix].filter(Boolean).join('; '), outputs: [] };
  }
  try {
    return { state: 'succeeded', outputs: await collect() };
  } catch (error) {
    if (error instanceof UserError || codeOf(error) === 'EACCES')
      return { state: 'failed', reason: messageOf(error), outputs: [] };
    if (isDiskFull(error))
      return {
        state: 'disk-full',
        reason: `its outputs could not be kept: ${messageOf(error)}${where(found)}; make room on that disk`,
        outputs: [],
      };
    throw error;
  }
}

function caseOf(evidence: Evidence, limits: Limits): Case {
  const { ending, lastLines } = evidence;
  return {
    ...evidence,
    timeoutSeconds: limits.timeoutSeconds,
    silenceSeconds: limits.silenceSeconds,
    timeBudgetSeconds: limits.timeBudgetSeconds,
    sign: signIn(lastLines),
    isFailing: ending.cause === 'itself' && ending.exit.status !== 0,
    isKept: isNewer(evidence),
  };
}

/** Whom we asked has another newest checkpoint than at that moment, whatever the clock did; who asked otherwise tells the time. */
function isNewer({ ending, launcher, checkpointAt }: Evidence): boolean {
  if (checkpointAt === undefined) return false;
  if (ending.askedAt !== undefined) return checkpointAt !== ending.checkpointBefore;
  return launcher?.askedAt !== undefined && checkpointAt > launcher.askedAt;
}

/** The machine's count holds every program on it, so there has to be one of ours that was killed. */
function kills({ memoryKills, ending, sign }: Case): boolean {
  const isKilled = ending.exit.signal === 'SIGKILL' || ending.exit.status === 137 || sign === 'killed';
  return (memoryKills.group ?? 0) > 0 || (isKilled && (memoryKills.machine ?? 0) > 0);
}

function where({ fullDisk, disks }: Pick<Evidence, 'fullDisk' | 'disks'>): string {
  const known = fullDisk ?? disks;
  return known === undefined ? '' : ` (${known})`;
}
