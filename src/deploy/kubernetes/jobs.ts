import { Refused } from '../target.ts';
import type { Manifests } from './manifests.ts';
import { type Place, selectorOf } from './place.ts';
import { lastLines, podsPath } from './pods.ts';
import { type Job, job } from './types/job.ts';
import { pod } from './types/pod.ts';
import { follow } from './watch.ts';

const DEADLINE_SECONDS = 600;
/** The cluster says itself that a Job's own time is over. */
const GRACE_SECONDS = 60;

/**
 * Waits until the Jobs of an edition of a release are over.
 * @throws Refused for one that fails or takes too long, the reason of `signal` when aborted
 */
export async function whenOver(place: Place, manifests: Manifests, signal: AbortSignal): Promise<void> {
  const jobs = manifests.own.filter(isJob);
  const [first] = jobs;
  if (first === undefined) return;
  const names = jobs.map(({ metadata }) => metadata.name);
  const seconds = Math.max(
    ...jobs.map((one) => job.parse(one).spec.activeDeadlineSeconds ?? DEADLINE_SECONDS),
  );
  const late = AbortSignal.timeout((seconds + GRACE_SECONDS) * 1000);
  const path = await place.resources.folderOf(first);
  const query = { labelSelector: selectorOf(place, manifests) };
  place.log.info(`waits for ${titleOf(names)}`);
  let open = names;
  try {
    for await (const found of follow(place.api, path, job, query, AbortSignal.any([signal, late]))) {
      for (const one of found) await refuseFailed(place, one);
      // One that is not there has removed itself, when it was over.
      open = names.filter((name) =>
        found.some((one) => one.metadata.name === name && conditionOf(one, 'Complete') === undefined),
      );
      if (open.length === 0) return;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (!late.aborted) throw error;
    throw new Refused(
      `${titleOf(open)} did not end in ${seconds} s; a Job's time is its activeDeadlineSeconds`,
    );
  }
}

function isJob({ apiVersion, kind }: Manifests['own'][number]): boolean {
  return apiVersion === 'batch/v1' && kind === 'Job';
}

function conditionOf({ status }: Job, wanted: string) {
  return status?.conditions.find(({ type, status: value }) => type === wanted && value === 'True');
}

/** With what one of its pods printed. */
async function refuseFailed(place: Place, one: Job): Promise<void> {
  const failed = conditionOf(one, 'Failed');
  if (failed === undefined) return;
  const { name } = one.metadata;
  const pods = await place.api.list(podsPath(place), pod, {
    labelSelector: `batch.kubernetes.io/job-name=${name}`,
  });
  const last = pods.at(-1);
  const container = last?.spec.containers[0]?.name;
  const lines =
    last && container ? await lastLines(place, last.metadata.name, { container, isPrevious: false }) : [];
  throw new Refused(`Job ${name} failed: ${failed.message}`, lines);
}

function titleOf(names: readonly string[]): string {
  return `Job ${names.join(', ')}`;
}
