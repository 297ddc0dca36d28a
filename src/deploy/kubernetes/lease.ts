import { setTimeout as sleep } from 'node:timers/promises';
import { MachineError, UserError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Api } from './api.ts';
import { type Lease, lease } from './types/lease.ts';

export interface LeasePlace {
  readonly api: Api;
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Who takes it, in words, and no other by the same: two deploys of one job differ in it. */
  readonly holder: string;
  /** So long it counts after its holder's last word; more than the API server may be gone. */
  readonly seconds: number;
  readonly log: Log;
  /** Whether a holder is known to be gone, without waiting for its lease to end. */
  isGone(holder: string): Promise<boolean>;
}

/** How often what another holds is looked at. */
const LOOK_SECONDS = 1;
/** An API server says its time in whole seconds. */
const CLOCK_SECONDS = 2;

/** A lease that is held: renewed until `release`. */
export interface HeldLease {
  /** Greater than that of every holder before. */
  readonly token: number;
  /** Rejects when another took it; pending otherwise. */
  readonly lost: Promise<never>;
  release(): Promise<void>;
}

/**
 * Takes a Lease of the cluster, by its resourceVersion, so that no two do. One whose holder gives no word is taken when its time is over.
 * @param atLeast what the token has to be above, whatever the Lease says
 * @throws UserError naming a holder that renews it
 */
export async function takeLease(place: LeasePlace, atLeast: number, signal: AbortSignal): Promise<HeldLease> {
  const { api, namespace, name, seconds, log } = place;
  const path = pathOf(namespace);
  let seen: string | undefined;
  for (;;) {
    signal.throwIfAborted();
    const found = await api.get(`${path}/${name}`, lease);
    const holder = found?.spec.holderIdentity ?? '';
    // An answer that was lost on its way back had said so.
    if (found !== undefined && holder === place.holder)
      return keep(place, found.spec.leaseTransitions ?? 1, found);
    if (found !== undefined && holder !== '' && !(await isOver(found, place))) {
      const renewed = found.spec.renewTime ?? '';
      if (seen !== undefined && seen !== renewed) throw held(place, found);
      if (seen === undefined)
        log.info(
          `the lock ${namespace}/${name} is held by ${holder}; waiting for a word of it, ${seconds} s at most`,
        );
      seen = renewed;
      await sleep(LOOK_SECONDS * 1000);
      continue;
    }
    if (holder !== '')
      log.warning(`${holder} held the lock ${namespace}/${name} and is gone; it is taken over`);
    const token = Math.max(found?.spec.leaseTransitions ?? 0, atLeast) + 1;
    const wanted = leaseObject(place, token, found);
    const taken = await (found === undefined
      ? api.create(path, wanted, lease)
      : api.replace(`${path}/${name}`, wanted, lease));
    // Another was faster.
    if (taken !== undefined) return keep(place, token, taken);
  }
}

async function isOver(found: Lease, { api, seconds, isGone }: LeasePlace): Promise<boolean> {
  const { renewTime, leaseDurationSeconds, holderIdentity } = found.spec;
  const until = Date.parse(renewTime ?? '') + ((leaseDurationSeconds ?? seconds) + CLOCK_SECONDS) * 1000;
  return Number.isNaN(until) || api.now() > until || isGone(holderIdentity ?? '');
}

function held({ namespace, name }: LeasePlace, { spec }: Lease): UserError {
  return new UserError(
    `another deploy is under way: ${spec.holderIdentity} holds the lock ${namespace}/${name}, and renewed it at ${spec.renewTime}. Wait for it, or cancel it; a workflow's concurrency group keeps its own deploys apart`,
  );
}

/** Renews the lease until it is released, or another has it. */
function keep(place: LeasePlace, token: number, taken: Lease): HeldLease {
  const { api, namespace, name, seconds } = place;
  const path = `${pathOf(namespace)}/${name}`;
  const end = new AbortController();
  let lose: (error: MachineError) => void = () => {};
  const lost = new Promise<never>((_, reject) => {
    lose = reject;
  });
  // Nobody has to wait for it.
  lost.catch(() => {});
  let current = taken;
  /** Undefined where another has it. */
  const write = async (holder: string): Promise<Lease | undefined> => {
    for (;;) {
      const wanted = leaseObject({ ...place, holder }, token, current);
      const written = await api.replace(path, wanted, lease);
      if (written !== undefined) return written;
      const found = await api.get(path, lease);
      if (found?.spec.holderIdentity !== place.holder || found.spec.leaseTransitions !== token)
        return undefined;
      current = found;
    }
  };
  const renewing = (async () => {
    for (;;) {
      await sleep((seconds * 1000) / 8, undefined, { signal: end.signal, ref: false });
      const renewed = await write(place.holder).catch(() => current);
      if (end.signal.aborted) return;
      if (renewed === undefined)
        return lose(
          new MachineError(`the lock ${namespace}/${name} was taken over by another deploy; this one stops`),
        );
      current = renewed;
    }
  })().catch(() => {});
  return {
    token,
    lost,
    async release() {
      end.abort();
      await renewing;
      await write('');
    },
  };
}

function leaseObject(
  { name, namespace, labels, holder, seconds, api }: LeasePlace,
  token: number,
  before: Lease | undefined,
): object {
  const now = new Date(api.now()).toISOString().replace('Z', '000Z');
  const version = before?.metadata.resourceVersion;
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name, namespace, labels, ...(version !== undefined && { resourceVersion: version }) },
    spec: {
      holderIdentity: holder,
      leaseDurationSeconds: seconds,
      renewTime: now,
      acquireTime: before?.spec.leaseTransitions === token ? (before.spec.acquireTime ?? now) : now,
      leaseTransitions: token,
    },
  };
}

function pathOf(namespace: string): string {
  return `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases`;
}
