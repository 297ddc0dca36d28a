import { type Environment, machineEnvironment } from '../lib/environment.ts';
import { CommandError, run } from '../lib/process.ts';
import { type GitHubPlace, isForbidden, openGitHub, reasonOf } from './api.ts';

/** git answers from its own files; a repository on a disk that hangs holds nothing up. */
const LONGEST_MS = 20_000;

/**
 * Whether a commit is a strict ancestor of another one, both given whole; undefined when that can't be told for certain.
 * Never an error, but for the reason of an abort.
 */
export type IsAncestor = (older: string, newer: string) => Promise<boolean | undefined>;

/** Asks the git repository at `workspace`, then GitHub's compare API with the job's token (`contents: read`). */
export function ancestry(place: GitHubPlace & { readonly workspace: string }): IsAncestor {
  return async (older, newer) => {
    if (![older, newer].every((commit) => /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(commit))) return undefined;
    if (older === newer) return false;
    return (await askGit(older, newer, place)) ?? (await askGitHub(older, newer, place));
  };
}

async function askGit(
  older: string,
  newer: string,
  { env, signal, workspace }: { env: Environment; signal: AbortSignal; workspace: string },
): Promise<boolean | undefined> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(LONGEST_MS)]);
  const git = async (...args: string[]): Promise<string> => {
    const argv = ['git', '--no-replace-objects', '-C', workspace, ...args];
    // What a partial clone lacks is not fetched.
    const own = { ...machineEnvironment(env), GIT_NO_LAZY_FETCH: '1' };
    return (await run(argv, { env: own, signal: limit })).stdout.toString().trim();
  };
  const holds = (args: string[]): Promise<boolean> =>
    git(...args).then(
      () => true,
      (error: unknown) => {
        if (error instanceof CommandError) return false;
        throw error;
      },
    );
  try {
    if (!(await holds(['cat-file', '-e', `${newer}^{commit}`]))) return undefined;
    if (await holds(['merge-base', '--is-ancestor', older, newer])) return true;
    // The history of a commit ends early in a shallow clone. In any other one, what is not in it is no ancestor.
    return (await git('rev-parse', '--is-shallow-repository')) === 'false' ? false : undefined;
  } catch {
    signal.throwIfAborted();
    return undefined;
  }
}

async function askGitHub(older: string, newer: string, place: GitHubPlace): Promise<boolean | undefined> {
  const github = await openGitHub(place);
  if (github === undefined) return undefined;
  try {
    const basehead = `${older}...${newer}`;
    const { data } = await github.rest.repos.compareCommitsWithBasehead({
      ...github.repository,
      basehead,
      per_page: 1,
    });
    return data.status === 'ahead';
  } catch (error) {
    place.signal.throwIfAborted();
    const fix = isForbidden(error)
      ? `: it knows only one of them, or the job lacks "contents: read" (${reasonOf(error)})`
      : `: ${reasonOf(error)}`;
    place.log.warning(
      `GitHub does not tell whether commit ${older.slice(0, 12)} is older than ${newer.slice(0, 12)}${fix}`,
    );
    return undefined;
  }
}
