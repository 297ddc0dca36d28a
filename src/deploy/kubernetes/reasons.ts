import type { ContainerStatus, Pod } from './types/pod.ts';

/** Why a pod does not serve. */
export interface Reason {
  readonly text: string;
  /** Whether waiting does not mend it, as far as can be known. */
  readonly isFinal: boolean;
  /** The container whose last lines tell more, and whether they are those of its last try. */
  readonly log?: { readonly container: string; readonly isPrevious: boolean };
}

/** How a container waits that is not just being started, in words. */
const WAITING: Readonly<Record<string, string>> = {
  ErrImagePull: 'its image can’t be pulled',
  ImagePullBackOff: 'its image can’t be pulled',
  ErrImageNeverPull: 'its image is not on the node, and may not be pulled',
  InvalidImageName: 'its image has no valid name',
  CreateContainerConfigError: 'its configuration is not there',
  CreateContainerError: 'the container can’t be created',
  RunContainerError: 'the container can’t be started',
};
/** The first failure of these may be the network's. */
const PASSING = ['ErrImagePull', 'RunContainerError'];

/** Why a pod is not ready; undefined for one that is, or is just being started. */
export function reasonOf({ metadata, status }: Pod): Reason | undefined {
  const { name } = metadata;
  const scheduled = status.conditions.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False')
    return { text: `no node takes pod ${name}: ${scheduled.message ?? scheduled.reason}`, isFinal: false };
  if (status.phase === 'Failed')
    return { text: `pod ${name} failed: ${status.message ?? status.reason}`, isFinal: false };
  const found = [...status.initContainerStatuses, ...status.containerStatuses].flatMap(
    (container) => containerReason(container) ?? [],
  );
  const worst = found.find(({ isFinal }) => isFinal) ?? found[0];
  return worst && { ...worst, text: `pod ${name}: ${worst.text}` };
}

/** How a container ends that is told to end, or is killed. */
const ENDED = [0, 137, 143];

/** What the cluster says of a pod by warnings alone: that a probe has failed for too long, or that its node lacks something. */
export function warnedOf(
  { metadata: { name }, status }: Pod,
  warnings: readonly string[],
): Reason | undefined {
  const volume = warnings.find((text) => text.includes('no volume plugin matched'));
  if (volume !== undefined)
    return {
      text: `pod ${name}: its node knows no image volumes; turn on the feature gate ImageVolume in each kubelet (${volume})`,
      isFinal: true,
    };
  const probe = warnings.find((text) => /^(Startup|Liveness) probe failed/.test(text));
  const container = status.containerStatuses.find(({ restartCount, ready, lastState }) => {
    const { exitCode, reason } = lastState?.terminated ?? {};
    // One that ends by itself while it is asked has another reason.
    const wasEnded = exitCode !== undefined && ENDED.includes(exitCode) && reason !== 'OOMKilled';
    return restartCount > 0 && !ready && wasEnded;
  });
  if (container === undefined || probe === undefined) return undefined;
  return {
    text: `pod ${name}: container ${container.name} was not ready in time: ${probe}`,
    isFinal: true,
    log: { container: container.name, isPrevious: true },
  };
}

function containerReason({
  name,
  state,
  lastState,
  restartCount,
  ready,
}: ContainerStatus): Reason | undefined {
  const { reason = '', message = '' } = state?.waiting ?? {};
  const ended = state?.terminated ?? lastState?.terminated;
  if (reason === 'CrashLoopBackOff' || (ended !== undefined && ended.exitCode !== 0 && !ready)) {
    const how = ended?.reason === 'OOMKilled' ? 'was out of memory' : `ended with status ${ended?.exitCode}`;
    return {
      text: `container ${name} ${how} ${restartCount > 0 ? `and was started again, ${restartCount} times by now` : 'at once'}`,
      // It is waited for once: what it needs may come with it.
      isFinal: reason === 'CrashLoopBackOff',
      log: { container: name, isPrevious: state?.terminated === undefined },
    };
  }
  const words = WAITING[reason];
  if (words === undefined) return undefined;
  return { text: `container ${name}: ${words}: ${message}`, isFinal: !PASSING.includes(reason) };
}
