import { setInterval as every, setTimeout as sleep } from 'node:timers/promises';
import { Refused } from '../target.ts';
import { followWarnings, type Warnings } from './events.ts';
import { isWorkload, type Manifests } from './manifests.ts';
import { type Place, selectorOf } from './place.ts';
import { isReady, isStaying, lastLines, podsPath } from './pods.ts';
import { type Reason, reasonOf, warnedOf } from './reasons.ts';
import { type Pod, pod } from './types/pod.ts';
import { type Workload, workload } from './types/workload.ts';
import { follow } from './watch.ts';

/** For a cluster whose controllers don't work: longer than they take to say that there is no progress. */
const GRACE_SECONDS = 60;
const DEADLINE_SECONDS = 600;
/** So long is waited while no pod can be made: what forbids it may pass, as a quota does while other pods end. */
const FAILURE_SECONDS = 60;

/**
 * Waits, by watching, until all pods of an edition of a release are ready.
 * @returns the pods
 * @throws Refused in words as soon as it is known that they will not be, with the last lines of the one that fails
 */
export async function whenReady(
  place: Place,
  manifests: Manifests,
  signal: AbortSignal,
): Promise<readonly Pod[]> {
  const end = new AbortController();
  const until = AbortSignal.any([signal, end.signal]);
  const seen: Seen = { pods: [], workloads: new Map(), warnings: new Map(), told: new Set() };
  const kinds = new Map(manifests.own.filter(isWorkload).map((object) => [object.kind, object]));
  const query = { labelSelector: selectorOf(place, manifests) };
  return new Promise<readonly Pod[]>((resolve, reject) => {
    const look = (): void => {
      tell(place, seen);
      const judged = judge(kinds.size, seen, place.api.now());
      if (judged === undefined) return;
      if ('ready' in judged) resolve(judged.ready);
      else reject(judged.refused);
    };
    const watching = [
      (async () => {
        for await (const pods of follow(place.api, podsPath(place), pod, query, until)) {
          seen.pods = pods;
          look();
        }
      })(),
      ...[...kinds].map(async ([kind, object]) => {
        const path = await place.resources.folderOf(object);
        for await (const found of follow(place.api, path, workload, query, until)) {
          seen.workloads.set(kind, found);
          look();
        }
      }),
      followWarnings(place, seen.warnings, until, look),
      // A failure that stands for long changes nothing more.
      (async () => {
        for await (const _ of every(1000, undefined, { signal: until })) look();
      })(),
      sleep(longest(manifests) * 1000, undefined, { signal: until }).then(() => {
        throw new Unready('the cluster says neither that the pods are ready nor that they are not');
      }),
    ];
    Promise.all(watching).catch(reject);
  })
    .catch(async (error: unknown) => {
      signal.throwIfAborted();
      throw error instanceof Unready ? await refusedFor(place, error, seen) : error;
    })
    .finally(() => end.abort());
}

interface Seen {
  pods: readonly Pod[];
  /** By kind; absent for one that was not listed yet. */
  readonly workloads: Map<string, readonly Workload[]>;
  readonly warnings: Warnings;
  readonly told: Set<string>;
}

/** Says why pods are not ready yet, once each. */
function tell({ log }: Place, { pods, workloads, told }: Seen): void {
  const all = [...workloads.values()].flat();
  const say = (text: string, key = text): void => {
    if (text !== '' && !told.has(key)) log.info(text);
    told.add(key);
  };
  for (const one of pods.filter((some) => isMeant(some, all) || hasFailed(some, all)))
    say(reasonOf(one)?.text ?? '');
  for (const one of all) {
    const failed = failureOf(one);
    // Its words may name another pod each time.
    if (failed !== undefined) say(failed.text, `Deployment ${one.metadata.name}`);
  }
}

/** It will not be ready. */
class Unready extends Error {
  readonly podName: string | undefined;
  readonly log: Reason['log'];

  constructor(message: string, podName?: string, log?: Reason['log']) {
    super(message);
    this.podName = podName;
    this.log = log;
  }
}

/** Undefined while it is open. */
function judge(
  kinds: number,
  { pods, workloads, warnings }: Seen,
  now: number,
): { ready: readonly Pod[] } | { refused: Unready } | undefined {
  if (workloads.size < kinds) return undefined;
  const all = [...workloads.values()].flat();
  const mine = pods.filter((one) => isMeant(one, all));
  for (const one of mine) {
    const reason = warnedOf(one, warnings.get(one.metadata.name) ?? []) ?? reasonOf(one);
    if (reason?.isFinal === true) return { refused: new Unready(reason.text, one.metadata.name, reason.log) };
  }
  for (const one of all) {
    const { metadata, status } = one;
    const progress = status?.conditions.find(({ type }) => type === 'Progressing');
    const isOver = progress?.status === 'False' && isObserved(metadata, status);
    const failed = failureOf(one);
    if (failed !== undefined && (isOver || now - failed.since > FAILURE_SECONDS * 1000))
      return { refused: new Unready(failed.text) };
    if (isOver)
      return { refused: new Unready(`${metadata.name} made no progress in time (${progress.message})`) };
  }
  if (all.length === 0 || !all.every(isDone)) return undefined;
  const ready = mine.filter(isReady);
  return ready.length > 0 && ready.length === mine.length ? { ready } : undefined;
}

/** Why no pod of a workload can be made now, and since when. */
function failureOf({ metadata, status }: Workload): { text: string; since: number } | undefined {
  const failed = status?.conditions.find(({ type }) => type === 'ReplicaFailure');
  if (failed?.status !== 'True') return undefined;
  const text = `no pod of ${metadata.name} can be made: ${failed.message}`;
  return { text, since: Date.parse(failed.lastTransitionTime ?? '') };
}

function isMeant(one: Pod, workloads: readonly Workload[]): boolean {
  return isStaying(one) && isMine(one, workloads);
}

/** It was evicted, say: another one is made in its place. */
function hasFailed(one: Pod, workloads: readonly Workload[]): boolean {
  return one.status.phase === 'Failed' && isMine(one, workloads);
}

/** Pods of a Deployment of this name that was removed before may still be leaving. */
function isMine(one: Pod, workloads: readonly Workload[]): boolean {
  return workloads.some(({ metadata }) => createdAt(one.metadata) >= createdAt(metadata));
}

function createdAt({ creationTimestamp }: { creationTimestamp?: string | undefined }): number {
  return Date.parse(creationTimestamp ?? '');
}

function isObserved(metadata: Workload['metadata'], status: Workload['status']): boolean {
  return (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0);
}

function isDone({ metadata, spec, status }: Workload): boolean {
  const { replicas, updatedReplicas, availableReplicas } = status ?? {};
  const wanted = spec.replicas ?? 1;
  return (
    isObserved(metadata, status) &&
    [replicas, updatedReplicas, availableReplicas].every((count) => (count ?? 0) === wanted)
  );
}

function longest({ own }: Manifests): number {
  const deadlines = own
    .filter(isWorkload)
    .map((object) => workload.parse(object).spec.progressDeadlineSeconds ?? DEADLINE_SECONDS);
  return Math.max(...deadlines, 0) + GRACE_SECONDS;
}

/** Says what is known of the pods besides, and what the failing one printed. */
async function refusedFor(
  place: Place,
  { message, podName, log }: Unready,
  { pods, warnings, workloads }: Seen,
): Promise<Refused> {
  const all = [...workloads.values()].flat();
  const mine = pods.filter((one) => isMeant(one, all));
  const failing =
    mine.find(({ metadata }) => metadata.name === podName) ??
    mine.find((one) => !isReady(one)) ??
    pods.find((one) => hasFailed(one, all));
  if (failing === undefined) return new Refused(message);
  const { name } = failing.metadata;
  const reason = podName === undefined ? reasonOf(failing) : undefined;
  const warning = podName === undefined ? warnings.get(name)?.at(-1) : undefined;
  const words = [message, reason?.text ?? (warning && `pod ${name}: ${warning}`)].filter(Boolean);
  const [container] = failing.spec.containers;
  const shown = log ?? reason?.log ?? (container && { container: container.name, isPrevious: false });
  return new Refused(words.join('; '), await lastLines(place, name, shown));
}
