import { codeOf, messageOf, UserError } from '../lib/errors.ts';
import type { Descriptor } from '../records/oci.ts';
import type { RunState } from '../records/run.ts';
import type { Ending } from './follow.ts';

export interface Verdict {
  readonly state: RunState;
  /** Why it did not succeed, and what to do. */
  readonly reason?: string;
  /** Only of a training that succeeded. */
  readonly outputs: readonly Descriptor[];
}

/**
 * Judges how a training ended: by itself, with status 0, and with outputs that can be taken, or it failed.
 * @param collect takes the outputs; not called unless all went well before
 */
export async function judge(
  { how, exit }: Ending,
  timeoutSeconds: number | undefined,
  collect: () => Promise<readonly Descriptor[]>,
): Promise<Verdict> {
  const failed = (reason: string): Verdict => ({ state: 'failed', reason, outputs: [] });
  if (how === 'cancelled')
    return { state: 'cancelled', reason: 'it was cancelled, and its program ended', outputs: [] };
  if (how === 'timeout') {
    return failed(
      `it was ended after ${timeoutSeconds} seconds, the trainer's timeout; raise trainer.timeout in trainyard.yml if it needs longer`,
    );
  }
  if (exit.signal === 'SIGKILL')
    return failed('something else ended its program by SIGKILL; the machine may have run out of memory');
  if (exit.signal !== null) return failed(`its program was ended by ${exit.signal}`);
  if (exit.status !== 0)
    return failed(`its program ended with status ${exit.status}; the last lines of its log say why`);
  try {
    return { state: 'succeeded', outputs: await collect() };
  } catch (error) {
    if (error instanceof UserError || codeOf(error) === 'EACCES') return failed(messageOf(error));
    throw error;
  }
}
