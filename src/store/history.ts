import { inParallel } from '../lib/in-parallel.ts';
import { deployment } from '../records/deployment.ts';
import type { Event } from '../records/history.ts';
import { findRecord } from './records.ts';
import { AT_ONCE, type Store } from './store.ts';

/** A project in an environment. */
interface Deployed {
  readonly name: string;
  readonly environment: string;
}

/** How the names of its Deployments begin. Those of another environment may begin alike. */
export function deploymentNames({ name, environment }: Deployed): string {
  return `deployment-${name}-${environment}-`;
}

/** What was deployed to an environment, by the Deployments that a store holds; the oldest first. */
export async function historyOf({
  records,
  name,
  environment,
}: Deployed & { readonly records: Store }): Promise<Event[]> {
  const found = await eventsOf(records, deploymentNames({ name, environment }));
  const own = found.filter((one) => one.name === name && one.environment === environment);
  return byEnd(own);
}

/** The oldest first. */
export function byEnd(events: readonly Event[]): Event[] {
  return [...events].sort((a, b) => timeOf(a.endedAt) - timeOf(b.endedAt));
}

/** The Deployments whose names begin so, in no order. */
export async function eventsOf(store: Store, prefix: string): Promise<Event[]> {
  const digests = [...new Set((await store.names(prefix)).values())];
  const found = await inParallel(digests, AT_ONCE, async (digest): Promise<Event[]> => {
    const record = await findRecord(store, deployment, digest);
    const release = record?.manifest.subject?.digest;
    return record && release ? [{ ...record.config, release, digest }] : [];
  });
  return found.flat();
}

/** Milliseconds since 1970. Two records may write the same time with more or fewer digits. */
export function timeOf(text: string): number {
  return Date.parse(text);
}
