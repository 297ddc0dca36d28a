import type { Digest } from '../lib/digest.ts';
import type { Stored } from '../records/kind.ts';
import { type ReleaseConfig, release } from '../records/release.ts';
import { getRecord } from '../store/records.ts';
import type { DeployDeps } from './request.ts';
import type { Site } from './site.ts';

/** The values of secrets that the target keeps itself: what a server says of them is hidden, too. */
export async function keptByTarget(
  site: Site,
  release: Stored<ReleaseConfig>,
  { mask }: Pick<DeployDeps, 'mask'>,
): Promise<string[]> {
  const values = (await site.secretsOf?.(release)) ?? {};
  for (const [name, value] of Object.entries(values)) mask(value, name);
  return Object.values(values);
}

/** The values of a release's secrets, as far as this step or the target has them. */
export async function knownOf(
  site: Site,
  release: Stored<ReleaseConfig>,
  deps: Pick<DeployDeps, 'env' | 'mask'>,
): Promise<string[]> {
  const given = release.config.secrets.flatMap((name) => deps.env[name] || []);
  return [...given, ...(await keptByTarget(site, release, deps).catch(() => []))];
}

/** The same of a release from before, which is asked, too; none of one that cannot be read. */
export async function knownOfEarlier(
  site: Site,
  digest: Digest | null | undefined,
  deps: Pick<DeployDeps, 'env' | 'mask' | 'store'>,
): Promise<string[]> {
  if (digest === null || digest === undefined) return [];
  const found = await getRecord([site.records, deps.store], release, digest).catch(() => undefined);
  return found === undefined ? [] : knownOf(site, found, deps);
}
