import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';

/** No question to GitHub may hold a deploy up for longer. */
const LONGEST_MS = 15_000;

/** What asking GitHub takes. */
export interface GitHubPlace {
  /** The job's: GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_RUN_ID, … */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Without one nothing is asked. */
  readonly token: string | undefined;
  readonly log: Log;
  readonly signal: AbortSignal;
}

export type GitHub = NonNullable<Awaited<ReturnType<typeof openGitHub>>>;

/**
 * The REST API of the GitHub that runs this job (GITHUB_API_URL on GitHub Enterprise Server), and the job's repository. Each request
 * ends within 15 seconds. Undefined outside a job, and without a token.
 */
export async function openGitHub({ env, token, signal }: GitHubPlace) {
  const [, owner, repo] = /^([^/]+)\/([^/]+)$/.exec(env.GITHUB_REPOSITORY ?? '') ?? [];
  if (!token || owner === undefined || repo === undefined) return undefined;
  // Loaded here, because most actions never ask.
  const { getOctokit } = await import('@actions/github');
  const quiet = (): void => {};
  const { rest, hook } = getOctokit(token, {
    baseUrl: env.GITHUB_API_URL || 'https://api.github.com',
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
  });
  hook.before('request', (options) => {
    options.request = {
      ...options.request,
      signal: AbortSignal.any([signal, AbortSignal.timeout(LONGEST_MS)]),
    };
  });
  return { rest, repository: { owner, repo } };
}

/** GitHub's answer to a request that failed, as its HTTP status; undefined when there was none. */
export function refusedWith(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('response' in error) || !error.response)
    return undefined;
  return 'status' in error && typeof error.status === 'number' ? error.status : undefined;
}

/** Whether GitHub says that the token may not do this. What may not be seen is "not found". */
export function isForbidden(error: unknown): boolean {
  return [401, 403, 404].includes(refusedWith(error) ?? 0);
}

/** Why a request failed, on one line for people. */
export function reasonOf(error: unknown): string {
  return messageOf(error).split('\n')[0] ?? '';
}
