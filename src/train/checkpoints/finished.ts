import type { Digest } from '../../lib/digest.ts';
import type { Stored } from '../../records/kind.ts';
import { type RunConfig, run } from '../../records/run.ts';
import { findRecord } from '../../store/records.ts';
import type { Store } from '../../store/store.ts';

/**
 * The Run that another job of the same commit has just made of this training, in the same hand-off. Only who has waited for that job asks:
 * a Run that somebody put there without training is nobody's to trust.
 */
export async function findFinished(
  handoff: Store,
  trainer: Digest,
  { trainingId, commit }: Pick<RunConfig, 'trainingId' | 'commit'>,
): Promise<Stored<RunConfig> | undefined> {
  for (const digest of await handoff.children(trainer)) {
    const found = await findRecord(handoff, run, digest).catch(() => undefined);
    const { config } = found ?? {};
    if (config?.state === 'succeeded' && config.trainingId === trainingId && config.commit === commit)
      return found;
  }
  return undefined;
}
