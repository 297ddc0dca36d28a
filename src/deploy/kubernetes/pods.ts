import type { Edition } from './edition.ts';
import { type Place, selectorOf } from './place.ts';
import type { Reason } from './reasons.ts';
import { type Pod, pod } from './types/pod.ts';

const LINES = 20;

/** Where the pods of the namespace are. */
export function podsPath({ namespace }: Place): string {
  return `/api/v1/namespaces/${namespace}/pods`;
}

/** The pods of an edition of a release that are not being ended. */
export async function podsOf(place: Place, edition: Edition): Promise<Pod[]> {
  const query = { labelSelector: selectorOf(place, edition) };
  return (await place.api.list(podsPath(place), pod, query)).filter(isStaying);
}

/** Whether a pod is neither being ended nor over, as one is that was evicted: another is made in its place. */
export function isStaying({ metadata, status }: Pod): boolean {
  return metadata.deletionTimestamp === undefined && !['Succeeded', 'Failed'].includes(status.phase ?? '');
}

/** Whether a pod's server has ended, and is not back. */
export function hasEnded({ status }: Pod): boolean {
  return status.containerStatuses.some(
    ({ ready, restartCount, state }) => !ready && (restartCount > 0 || state?.terminated !== undefined),
  );
}

/** Whether a pod takes requests, by its probe's word. */
export function isReady({ status }: Pod): boolean {
  return status.conditions.some(({ type, status: value }) => type === 'Ready' && value === 'True');
}

/** The last lines that a pod's container printed; none when they are not there any more. */
export async function lastLines(place: Place, name: string, log: Reason['log']): Promise<string[]> {
  if (log === undefined) return [];
  const query = new URLSearchParams({
    container: log.container,
    tailLines: String(LINES),
    ...(log.isPrevious && { previous: 'true' }),
  });
  const { status, body } = await place.api.send({ path: `${podsPath(place)}/${name}/log?${query}` });
  return status === 200 ? body.trimEnd().split('\n') : [];
}
