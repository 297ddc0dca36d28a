import { refuseOther } from './dropped.ts';
import { whenOver } from './jobs.ts';
import type { Manifests } from './manifests.ts';
import type { Place } from './place.ts';
import { whenReady } from './ready.ts';
import type { Pod } from './types/pod.ts';

/**
 * Waits until the Jobs of an edition of a release are over and all its pods ready.
 * @returns the pods
 * @throws Refused when one of both fails, or pods are not as they were rendered; the reason of `signal` when aborted
 */
export async function whenStarted(
  place: Place,
  manifests: Manifests,
  signal: AbortSignal,
): Promise<readonly Pod[]> {
  const end = new AbortController();
  const until = AbortSignal.any([signal, end.signal]);
  try {
    // At the same time: a server may need what a Job makes, and the Job's failure is the reason then.
    const [pods] = await Promise.all([whenReady(place, manifests, until), whenOver(place, manifests, until)]);
    // A webhook may change pods alone.
    for (const one of pods) refuseOther(one, manifests);
    return pods;
  } finally {
    end.abort();
  }
}
