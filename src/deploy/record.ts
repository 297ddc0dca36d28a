import type { Digest } from '../lib/digest.ts';
import { messageOf } from '../lib/errors.ts';
import { inParallel } from '../lib/in-parallel.ts';
import type { Log } from '../lib/log.ts';
import { type DeploymentConfig, deployment } from '../records/deployment.ts';
import type { Stored } from '../records/kind.ts';
import { LOG_LAYER } from '../records/oci.ts';
import type { ReleaseConfig } from '../records/release.ts';
import { copyRecord } from '../store/copy.ts';
import { deploymentNames, historyOf, timeOf } from '../store/history.ts';
import { layer, putRecord } from '../store/records.ts';
import { AT_ONCE, type Store } from '../store/store.ts';
import { moveAlias } from './alias.ts';
import type { Hold } from './ledger.ts';
import type { Site } from './site.ts';

/** What is said of a deploy; who, where and when it ended is added. */
export interface Report extends Omit<DeploymentConfig, 'name' | 'environment' | 'endedAt'> {
  /** The log of its checks. */
  readonly text: string;
}

/** Writes the Deployment at the site. @throws TakenOver when another writes it by now */
export async function recordDeployment(
  { records }: Pick<Site, 'records'>,
  hold: Hold,
  subject: Stored<ReleaseConfig>,
  { text, ...report }: Report,
): Promise<Stored<DeploymentConfig>> {
  const { name, environment } = subject.config;
  const newest = (await historyOf({ records, name, environment })).at(-1);
  const endedAt = endOf(report.startedAt, newest?.endedAt);
  const log = await records.write({ bytes: Buffer.from(text) });
  await hold.check();
  return putRecord(records, deployment, {
    config: { name, environment, ...report, endedAt },
    layers: [layer(LOG_LAYER, log, 'deploy.log')],
    subject,
  });
}

/**
 * Now; or, where the clock was put back since, just after the last deploy: histories are ordered by these times, and what serves,
 * `previous` and holds follow from that order.
 */
function endOf(startedAt: string, last: string | undefined): string {
  const after = last === undefined ? 0 : timeOf(last) + 1;
  return new Date(Math.max(Date.now(), timeOf(startedAt), after)).toISOString();
}

/**
 * Tells the store of a Deployment, and of those before it that it missed while it could not be written, and moves the alias to
 * a release that is live. Gives why that failed: what serves by now serves, whatever becomes of the store.
 */
export async function publish(
  site: Pick<Site, 'records' | 'name' | 'environment'>,
  { digest }: Pick<Stored<DeploymentConfig>, 'digest'>,
  live: Stored<ReleaseConfig> | undefined,
  store: Store,
): Promise<string | undefined> {
  try {
    if (site.records !== store)
      for (const one of [...(await missedBy(store, site, digest)), digest])
        await copyRecord(site.records, store, one, (kind) => kind === 'deployment');
    if (live !== undefined) await moveAlias(store, live);
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * The Deployments after the newest one that the store has. A store that has none may have missed them all, or be another one:
 * it gets those of the releases that it has.
 */
async function missedBy(
  store: Store,
  site: Pick<Site, 'records' | 'name' | 'environment'>,
  newest: Digest,
): Promise<Digest[]> {
  const before = (await historyOf(site)).filter(({ digest }) => digest !== newest);
  const known = new Set((await store.names(deploymentNames(site))).values());
  const last = before.findLastIndex(({ digest }) => known.has(digest));
  const since = before.slice(last + 1);
  if (last !== -1) return since.map(({ digest }) => digest);
  const releases = [...new Set(since.map(({ release }) => release))];
  const had = await inParallel(releases, AT_ONCE, async (release) => (await store.get(release)) && release);
  return since.filter(({ release }) => had.includes(release)).map(({ digest }) => digest);
}

/** A log that keeps what it was told, each line with its time. */
export function recording(log: Log): { log: Log; text(): string } {
  const lines: string[] = [];
  const keep =
    (write: (line: string) => void) =>
    (line: string): void => {
      lines.push(`${new Date().toISOString()} ${line}`);
      write(line);
    };
  return {
    log: {
      info: keep((line) => log.info(line)),
      warning: keep((line) => log.warning(line)),
      group: (title, work) => log.group(title, work),
    },
    text: () => lines.join('\n'),
  };
}
