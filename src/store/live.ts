import type { Digest } from '../lib/digest.ts';
import { type DeploymentConfig, deployment, servesAfter } from '../records/deployment.ts';
import type { Stored } from '../records/kind.ts';
import { findRecord } from './records.ts';
import type { Store } from './store.ts';

/** What serves in an environment, by the store's word: the newest Deployment that left something live. */
export interface Live {
  readonly name: string;
  readonly environment: string;
  readonly release: Digest;
  readonly endpoint: string;
  readonly since: string;
}

/** What serves in every environment that the store knows, or in one. */
export async function whatServes(
  store: Store,
  only?: { name: string; environment: string },
): Promise<Live[]> {
  const prefix = only === undefined ? 'deployment-' : `deployment-${only.name}-${only.environment}-`;
  const newest = new Map<string, Stored<DeploymentConfig>>();
  for (const digest of new Set((await store.names(prefix)).values())) {
    const found = await findRecord(store, deployment, digest);
    if (
      found === undefined ||
      (only && (found.config.name !== only.name || found.config.environment !== only.environment))
    )
      continue;
    const place = `${found.config.name}/${found.config.environment}`;
    const known = newest.get(place);
    if (known === undefined || known.config.endedAt < found.config.endedAt) newest.set(place, found);
  }
  return [...newest.values()].flatMap(({ config, manifest }) => {
    const serves = servesAfter(config);
    const release = serves === 'this' ? manifest.subject?.digest : config.before;
    if (serves === 'none' || release === null || release === undefined) return [];
    return [
      {
        name: config.name,
        environment: config.environment,
        release,
        endpoint: config.endpoint,
        since: config.endedAt,
      },
    ];
  });
}
