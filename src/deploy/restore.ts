import { type Digest, hexOf } from '../lib/digest.ts';
import { messageOf } from '../lib/errors.ts';
import type { Check } from '../records/deployment.ts';
import { proveServing } from './prove.ts';
import type { RolloutRequest } from './rollout.ts';
import type { Target } from './target.ts';

/** What came of undoing. */
export interface Restored {
  /** Whether what has to serve now does, or nothing has to. */
  readonly proved: boolean;
  /** What serves by now where that is not what served when it began. */
  readonly serves?: Digest;
}

/**
 * Undoes what a rollout has begun, and proves what served before. Where that has died, or nothing served though a release was
 * live last, that one is started again.
 */
export async function restore(
  request: Pick<RolloutRequest, 'target' | 'last' | 'release' | 'probesOf' | 'log'>,
  { switched, before, note }: { switched: boolean; before: Digest | null; note(check: Check): void },
): Promise<Restored> {
  const { target, last, release, probesOf } = request;
  const tell = (check: Check): void => note({ ...check, name: `${check.name} (the one before)` });
  const fail = (error: unknown): void =>
    note({ name: 'the one before', passed: false, detail: messageOf(error) });
  try {
    if (switched) await target.revert();
    // A switch that failed has left it where it was.
    await target.abandon();
    if (before !== null) {
      (await proveServing(target, before, await probesOf(before))).forEach(tell);
      return { proved: true };
    }
  } catch (error) {
    fail(error);
    if (last?.release !== before) return { proved: false };
  }
  if (last === undefined || (last.release === release && before === null)) return { proved: before === null };
  try {
    request.log.info(`${hexOf(last.release, 12)}, which was live last, is started again`);
    const again = await last.target();
    await bringBack(again);
    (await proveServing(again, last.release, await probesOf(last.release))).forEach(tell);
    return { proved: true, serves: last.release };
  } catch (error) {
    fail(error);
    return { proved: false };
  }
}

/** Starts it and gives it the place, whatever has it: nothing that serves is proved. One that can't have it is not left. */
async function bringBack(target: Target): Promise<void> {
  try {
    // A cancelled deploy, too, ends with something that serves.
    await target.start(AbortSignal.timeout(600_000));
    await target.switch();
  } catch (error) {
    await target.abandon().catch(() => {});
    throw error;
  }
  await target.commit();
}
