import type { Digest } from '../lib/digest.ts';
import { type GitHub, type GitHubPlace, isForbidden, openGitHub, reasonOf } from './api.ts';

/** The newest Deployments of a commit, of which one may be the job's own. */
const NEWEST = 10;
/** Characters that GitHub takes. */
const LONGEST = 140;

/** What came of a deploy, as GitHub's page of the environment shows it. */
export interface Served {
  readonly environment: string;
  readonly release: Digest;
  /** Where the model is served. */
  readonly endpoint: string;
  /** Whether the release serves. */
  readonly live: boolean;
  /** The outcome in a few words. */
  readonly says: string;
}

type Own = { id: number; page: string } | 'several' | undefined;

/**
 * Gives the job's own Deployment, which GitHub makes of `environment:`, the address of what serves; makes one, with the release's digest as
 * payload, when the job has none. At the job's end GitHub writes a status of its own, with the address that `environment.url` names.
 * Takes a token with `deployments: write`; without, it says so and does nothing. Never an error, but for the reason of an abort.
 */
export async function tellDeployment(served: Served, place: GitHubPlace): Promise<void> {
  const { env, log, signal } = place;
  if (env.GITHUB_RUN_ID === undefined) return;
  const unknown = 'GitHub does not learn of this deployment';
  const github = await openGitHub(place);
  if (github === undefined) return log.info(`${unknown}: there is no token`);
  try {
    const own = await findOwn(served.environment, github, env);
    if (own === 'several') log.info(`${unknown}: several jobs of this run are deploying the same commit`);
    else if (own === undefined) await make(served, github, env);
    else await tell(own.id, 'in_progress', own.page, served, github);
  } catch (error) {
    signal.throwIfAborted();
    if (isForbidden(error))
      log.info(`${unknown}: grant the job "deployments: write" for that (${reasonOf(error)})`);
    else log.warning(`${unknown}: ${reasonOf(error)}`);
  }
}

/** The Deployment that says of itself that a job of this run is at it, of this environment if there are others. */
async function findOwn(
  environment: string,
  { rest, repository }: GitHub,
  env: GitHubPlace['env'],
): Promise<Own> {
  const sha = env.GITHUB_SHA ?? '';
  const { data } = await rest.repos.listDeployments({ ...repository, sha, per_page: 100 });
  const isHere = (one: { environment: string }): boolean =>
    one.environment.toLowerCase() === environment.toLowerCase();
  const near = [...data.filter(isHere), ...data.filter((one) => !isHere(one))].slice(0, NEWEST);
  const running: { id: number; page: string; here: boolean }[] = [];
  for (const one of near) {
    const id = Number(one.id);
    const { data: statuses } = await rest.repos.listDeploymentStatuses({
      ...repository,
      deployment_id: id,
      per_page: 100,
    });
    const newest = [...statuses].sort((a, b) => Number(b.id) - Number(a.id))[0];
    const page = newest?.log_url || newest?.target_url || '';
    if (newest?.state !== 'in_progress' || !isOfRun(page, env.GITHUB_RUN_ID ?? '')) continue;
    running.push({ id, page, here: isHere(one) });
  }
  const here = running.filter((one) => one.here);
  const found = here.length > 0 ? here : running;
  return found.length > 1 ? 'several' : found[0];
}

function isOfRun(page: string, run: string): boolean {
  return /\/actions\/runs\/(\d+)(?:\/|$)/.exec(page)?.[1] === run;
}

async function make(served: Served, github: GitHub, env: GitHubPlace['env']): Promise<void> {
  const { data } = await github.rest.repos.createDeployment({
    ...github.repository,
    ref: env.GITHUB_SHA ?? '',
    environment: served.environment,
    payload: { release: served.release },
    description: descriptionOf(served),
    // The release is what is deployed; nothing of the commit is merged or waited for.
    auto_merge: false,
    required_contexts: [],
  });
  if (!('id' in data)) throw new Error(data.message ?? 'no Deployment was made');
  const page = `${env.GITHUB_SERVER_URL ?? 'https://github.com'}/${env.GITHUB_REPOSITORY}/actions/runs/${env.GITHUB_RUN_ID}`;
  await tell(Number(data.id), served.live ? 'success' : 'failure', page, served, github);
}

async function tell(
  id: number,
  state: 'in_progress' | 'success' | 'failure',
  page: string,
  served: Served,
  { rest, repository }: GitHub,
): Promise<void> {
  await rest.repos.createDeploymentStatus({
    ...repository,
    deployment_id: id,
    state,
    log_url: page,
    description: descriptionOf(served),
    ...(/^https?:\/\//.test(served.endpoint) && { environment_url: served.endpoint }),
  });
}

function descriptionOf({ release, says }: Served): string {
  return `${release} ${says}`.slice(0, LONGEST);
}
