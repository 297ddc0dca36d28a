import type { Environment } from '../lib/environment.ts';
import { UserError, userErrors } from '../lib/errors.ts';
import { type Cause, servesAfter } from '../records/deployment.ts';
import { environmentName, projectName } from '../records/names.ts';
import { type ReleaseConfig, release } from '../records/release.ts';
import { byEnd, historyOf } from '../store/history.ts';
import { findRecord, getRecord } from '../store/records.ts';
import { ClusterSite } from './kubernetes/site.ts';
import { type MachineDeps, MachineSite } from './process/site.ts';
import type { DeployRequest } from './request.ts';
import type { Site } from './site.ts';

/** What is needed to reach each kind of target. */
export interface SiteDeps extends MachineDeps {
  /** Who deploys: another deploy is told, while this one holds the lock. */
  readonly cause: Cause;
  /** The environment in which kubectl finds its cluster; the job's own unless given. */
  clusterEnv?(): Promise<Environment>;
}

/**
 * Where a release belongs: by the names that were given, or by those of the release. `previous` is of the place where a release
 * went live last, by the word of this machine and of the store.
 * @throws UserError for names that differ from the release's, or are missing
 */
export async function locate(
  { release: wanted, name, environment }: DeployRequest,
  deps: SiteDeps,
): Promise<Site> {
  const problems = [
    ...(name === undefined ? [] : problemsOf(projectName.safeParse(name), `input name is ${name}`)),
    ...(environment === undefined
      ? []
      : problemsOf(environmentName.safeParse(environment), `input environment is ${environment}`)),
  ];
  if (problems.length > 0) throw userErrors('nothing can be deployed', problems);
  const here =
    name === undefined || environment === undefined ? undefined : new MachineSite(name, environment, deps);
  if (wanted === 'previous') {
    if (here === undefined)
      throw new UserError('inputs name and environment are required when release is previous');
    return (await lastTarget(here, deps)) ?? here;
  }
  // What the machine has needs no store; what is damaged there is mended later, from the store.
  const kept = here && (await findRecord(here.records, release, wanted).catch(() => undefined));
  const stores = [deps.store, ...(here ? [here.records] : [])];
  const { config } = kept ?? (await getRecord(stores, release, wanted));
  if (name !== undefined && name !== config.name)
    problems.push(`input name is ${name}, and the release is of project ${config.name}`);
  if (environment !== undefined && environment !== config.environment)
    problems.push(
      `input environment is ${environment}, and the release is made for ${config.environment}; release the package for ${environment} first`,
    );
  if (problems.length > 0) throw userErrors(`release ${wanted} is not deployed`, problems);
  return siteOf(config, deps);
}

async function siteOf(config: ReleaseConfig, deps: SiteDeps): Promise<Site> {
  const { actor, event, url } = deps.cause;
  if (config.target.kind === 'kubernetes')
    return ClusterSite.of(config, {
      ...deps,
      env: (await deps.clusterEnv?.()) ?? deps.env,
      who: url ?? `${actor} (${event})`,
    });
  return new MachineSite(config.name, config.environment, deps);
}

/** The site of what went live last by the store's word; undefined where this machine knows of a later deploy. */
async function lastTarget(here: MachineSite, deps: SiteDeps): Promise<Site | undefined> {
  const { name, environment } = here;
  const local = await historyOf(here);
  // The deploy at the site will ask the store once more, and warn of one that does not answer.
  const told = await historyOf({ records: deps.store, name, environment }).catch(() => []);
  const newest = told.findLast((event) => servesAfter(event) === 'this');
  if (newest === undefined || byEnd([...local, newest]).at(-1) !== newest) return undefined;
  return siteOf((await getRecord(deps.store, release, newest.release)).config, deps);
}

function problemsOf(
  parsed: { error?: { issues: readonly { message: string }[] } | undefined },
  place: string,
): string[] {
  return (parsed.error?.issues ?? []).map(({ message }) => `${place}: ${message}`);
}
