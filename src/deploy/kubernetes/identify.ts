import { hexOf } from '../../lib/digest.ts';
import { byBytes } from '../../lib/json.ts';
import { Refused } from '../target.ts';
import { askService, portOf } from './asking.ts';
import { refuseOther } from './dropped.ts';
import { type Front, isWhole } from './front.ts';
import { isWorkload, type Manifests } from './manifests.ts';
import type { Place } from './place.ts';
import { hasEnded, isReady, podsOf } from './pods.ts';
import type { Pod } from './types/pod.ts';
import { type EndpointSlice, endpointSlice } from './types/service.ts';
import { workload } from './types/workload.ts';
import { follow } from './watch.ts';

/** A cluster needs a moment until its Services name other pods, and pods that leave are gone from them. */
const PATIENCE_SECONDS = 30;

/** How long a cluster is waited for. */
interface Patience {
  readonly patienceSeconds?: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Proves that the public Service leads to pods of a release, and to no others, and that they are as it was rendered.
 * @returns a word on it
 * @throws Refused with what was found instead, the reason of `signal` when aborted
 */
export async function identify(
  place: Place,
  manifests: Manifests,
  front: Front | undefined,
  { patienceSeconds = PATIENCE_SECONDS, signal }: Patience = {},
): Promise<string> {
  const { release } = manifests;
  if (front === undefined || !isWhole(front, manifests))
    throw new Refused(
      `the Services of ${place.namespace} name release ${front === undefined ? 'none' : shownOf(front)}, not ${manifests.short}`,
    );
  const pods = await whenLedTo(place, manifests, { patienceSeconds, signal });
  for (const one of pods) refuseOther(one, manifests);
  const path = readyPathOf(manifests);
  if (path !== undefined) {
    const { status } = await askService(place, manifests, release)({ path, timeoutSeconds: 10, signal });
    // As for a kubelet, to be led elsewhere is to be ready.
    if (status >= 400) throw new Refused(`the public Service answers ${path} with status ${status}`);
  }
  return `${hexOf(release, 12)}, ${pods.filter(isReady).length} of ${pods.length} pods`;
}

/**
 * Waits until the Service leads to exactly the pods of the release that are ready, and gives all of the release. Others may be
 * on their way, in the place of one that was evicted or for more requests, but none whose server has ended.
 */
async function whenLedTo(
  place: Place,
  manifests: Manifests,
  { patienceSeconds, signal }: Required<Patience>,
): Promise<readonly Pod[]> {
  const service = manifests.services[0]?.metadata.name ?? '';
  const path = `/apis/discovery.k8s.io/v1/namespaces/${place.namespace}/endpointslices`;
  const query = { labelSelector: `kubernetes.io/service-name=${service}` };
  const patience = AbortSignal.timeout(patienceSeconds * 1000);
  const end = signal === undefined ? patience : AbortSignal.any([patience, signal]);
  let found = '';
  try {
    for await (const slices of follow(place.api, path, endpointSlice, query, end)) {
      const led = slices.flatMap(readyIn);
      const pods = await podsOf(place, manifests);
      const [ready, ended] = [namesOf(pods.filter(isReady)), namesOf(pods.filter(hasEnded))];
      if (ready !== '' && ended === '' && ready === listed(led)) return pods;
      found = `it leads to ${listed(led) || 'none'}; the release has ${namesOf(pods) || 'none'}, ready: ${ready || 'none'}${ended === '' ? '' : `, ended: ${ended}`}`;
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (!patience.aborted) throw error;
  }
  throw new Refused(`the Service ${service} does not lead to the pods of the release: ${found}`);
}

function namesOf(pods: readonly Pod[]): string {
  return listed(pods.map(({ metadata }) => metadata.name));
}

function listed(names: readonly string[]): string {
  return [...new Set(names)].sort(byBytes).join(', ');
}

function readyIn({ endpoints }: EndpointSlice): string[] {
  return (endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ targetRef }) => targetRef?.name ?? []);
}

/** The path of a readiness probe that the public Service leads to, too; undefined where no probe asks at its port. */
function readyPathOf({ own, services }: Manifests): string | undefined {
  const selector = Object.entries(services[0]?.spec.selector ?? {});
  const served = own.filter(isWorkload).flatMap((object) => {
    const { metadata, spec } = workload.parse(object).spec.template;
    return selector.every(([key, value]) => metadata?.labels?.[key] === value) ? [spec] : [];
  });
  const paths = served.flatMap((spec) =>
    spec.containers.flatMap(({ ports, readinessProbe }) => {
      const { path, port, scheme } = readinessProbe?.httpGet ?? {};
      const at = typeof port === 'string' ? ports.find(({ name }) => name === port)?.containerPort : port;
      return at === portOf(services, { spec }) && scheme !== 'HTTPS' ? (path ?? []) : [];
    }),
  );
  return paths[0];
}

function shownOf({ all }: Front): string {
  const shown = all.map(({ short, selects }) => `${short}${selects ? '' : ' (and select other pods)'}`);
  return [...new Set(shown)].join(', ');
}
