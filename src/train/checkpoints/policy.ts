import type { Digest } from '../../lib/digest.ts';
import type { CheckpointPolicy } from '../../records/program.ts';
import type { Checkpoint } from './place.ts';

/**
 * Which checkpoints stay: the newest ones, and the best.
 * @param all the newest first
 */
export function chooseKept(
  all: readonly Checkpoint[],
  { keep, best }: CheckpointPolicy,
): ReadonlySet<Digest> {
  const kept = new Set(all.slice(0, keep).map(({ digest }) => digest));
  if (best === undefined) return kept;
  const sign = best.goal === 'maximize' ? 1 : -1;
  let top: { readonly digest: Digest; readonly value: number } | undefined;
  for (const { digest, config } of all) {
    const value = config.metrics[best.metric];
    if (value !== undefined && (top === undefined || sign * value > sign * top.value))
      top = { digest, value };
  }
  return top === undefined ? kept : new Set([...kept, top.digest]);
}
