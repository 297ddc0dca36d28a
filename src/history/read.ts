import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { inParallel } from '../lib/in-parallel.ts';
import { deployment } from '../records/deployment.ts';
import type { Event } from '../records/history.ts';
import { findRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';

/** So many records are asked for at a time. */
const AT_ONCE = 8;

/** A Deployment with its own digest. */
export interface Entry extends Event {
  readonly deployment: Digest;
}

/**
 * Every Deployment of a project in an environment that a store holds, the oldest first.
 * @throws UserError when there is none; it names what the store knows instead
 */
export async function readHistory(store: Store, name: string, environment: string): Promise<Entry[]> {
  const all = await entriesOf(store, `deployment-${name}-${environment}-`);
  // The names of two environments may begin alike.
  const found = all.filter((one) => one.name === name && one.environment === environment);
  if (found.length > 0) return found.sort((a, b) => timeOf(a.endedAt) - timeOf(b.endedAt));
  const others = await entriesOf(store, 'deployment-');
  const places = new Set(others.map((one) => `${one.name} in ${one.environment}`));
  throw new UserError(
    `${store.location} holds no Deployment of ${JSON.stringify(name)} in ${JSON.stringify(environment)}; ${
      places.size === 0
        ? 'it holds none at all. Give the store that deploy writes to'
        : `it holds those of ${[...places].sort((a, b) => a.localeCompare(b)).join(', ')}`
    }`,
  );
}

/** Milliseconds since 1970. Two records may write the same time with more or fewer digits. */
export function timeOf(text: string): number {
  return Date.parse(text);
}

async function entriesOf(store: Store, prefix: string): Promise<Entry[]> {
  const digests = [...new Set((await store.names(prefix)).values())];
  const found = await inParallel(digests, AT_ONCE, async (digest): Promise<Entry[]> => {
    const record = await findRecord(store, deployment, digest);
    const release = record?.manifest.subject?.digest;
    return record && release ? [{ ...record.config, release, deployment: digest }] : [];
  });
  return found.flat();
}
