import { MachineError, UserError } from '../lib/errors.ts';
import { type GitHub, type GitHubPlace, isForbidden, openGitHub, reasonOf } from './api.ts';

/** Names a token that may see the members of an organisation's teams. */
const TEAM_TOKEN = 'TRAINYARD_TEAM_TOKEN';

/** Who answers for a deploy. */
export interface Approval {
  /** GitHub's login. */
  readonly login: string;
  readonly did: 'started' | 'approved';
  /** The entry of `approvers` that names the person or a team of theirs. */
  readonly as: string;
}

type Person = Omit<Approval, 'as'>;

/**
 * Finds the first one of those who started or approved this run, for this environment, whom `approvers` names.
 * @param wanted.approvers users, and teams as ORGANISATION/TEAM
 * @param place its token needs `actions: read`; TRAINYARD_TEAM_TOKEN of the environment asks for teams, whose members a job's own token may not see
 * @throws UserError when there is nobody, and when nobody can be asked for; MachineError when GitHub fails
 */
export async function findApproval(
  wanted: { readonly approvers: readonly string[]; readonly environment: string },
  place: GitHubPlace,
): Promise<Approval> {
  const { approvers, environment } = wanted;
  const rule = `${environment} may be deployed to only by ${approvers.join(', ')} (approvers of environments/${environment}.yml)`;
  const run = Number(place.env.GITHUB_RUN_ID);
  if (!(run > 0))
    throw new UserError(
      `${rule}, and who you are can be told on GitHub only: deploy with a workflow, such as trainyard-release.yml`,
    );
  const github = await openGitHub(place);
  if (github === undefined)
    throw new UserError(
      `${rule}, and there is no token to ask GitHub with who that is: leave the input token as it is, and grant the job "actions: read"`,
    );
  const people = await peopleOf(run, environment, rule, github, place);
  const teams = await teamsOf(place);
  const unseen = new Set<string>();
  for (const person of people) {
    for (const as of approvers) {
      const answer = as.includes('/') ? await teams(as, person.login) : isSame(as, person.login);
      if (answer === undefined) unseen.add(as);
      if (answer === true) return { ...person, as };
    }
  }
  const did = people.map(({ login, did }) => `${login} ${did} it`).join(', ');
  const none =
    did === '' ? 'nobody started or approved this run' : `none of them started or approved this run: ${did}`;
  throw new UserError(`${rule}; ${none}. Let one of them run its jobs again${words(unseen)}`);
}

function words(unseen: ReadonlySet<string>): string {
  return unseen.size === 0
    ? ''
    : `. The members of ${[...unseen].join(', ')} can't be seen, with a job's own token never: give the step ${TEAM_TOKEN}, a token with the organisation's permission "Members: read"`;
}

/** Who started this attempt of the run, then who approved it for the environment. */
async function peopleOf(
  run: number,
  environment: string,
  rule: string,
  { rest, repository }: GitHub,
  { env, signal }: GitHubPlace,
): Promise<Person[]> {
  const of = { ...repository, run_id: run };
  try {
    const [attempt, reviews] = await Promise.all([
      rest.actions.getWorkflowRunAttempt({ ...of, attempt_number: Number(env.GITHUB_RUN_ATTEMPT) || 1 }),
      rest.actions.getReviewsForRun(of),
    ]);
    const { event, run_attempt: number = 1, triggering_actor, actor } = attempt.data;
    // GitHub names who changed the schedule last, and that person started nothing.
    const isNobody = event === 'schedule' && number === 1;
    const starter = isNobody ? undefined : (triggering_actor?.login ?? actor?.login);
    const approved = reviews.data.filter(
      ({ state, environments }) =>
        state === 'approved' && environments.some(({ name = '' }) => isSame(name, environment)),
    );
    return [
      ...(starter === undefined ? [] : [{ login: starter, did: 'started' as const }]),
      ...approved.map(({ user }) => ({ login: user.login, did: 'approved' as const })),
    ];
  } catch (cause) {
    signal.throwIfAborted();
    if (isForbidden(cause))
      throw new UserError(
        `${rule}, and the token may not ask who started or approved this run: grant the job "actions: read" (${reasonOf(cause)})`,
      );
    throw new MachineError(`${rule}, and GitHub does not say who started or approved this run`, { cause });
  }
}

/** Whether a user is in a team; undefined when the token may not see that. Each question is asked once. */
async function teamsOf(
  place: GitHubPlace,
): Promise<(team: string, login: string) => Promise<boolean | undefined>> {
  const github = await openGitHub({ ...place, token: place.env[TEAM_TOKEN] || place.token });
  const sees = new Map<string, Promise<boolean>>();
  const asked = async (question: Promise<unknown>): Promise<boolean> => {
    try {
      await question;
      return true;
    } catch (cause) {
      place.signal.throwIfAborted();
      if (isForbidden(cause)) return false;
      throw new MachineError('GitHub does not say who is in a team', { cause });
    }
  };
  return async (team, username) => {
    const [org = '', team_slug = ''] = team.split('/');
    if (github === undefined) return undefined;
    const { teams } = github.rest;
    // Of what may not be seen GitHub says, too, that it is not there.
    const seen = sees.get(team) ?? asked(teams.getByName({ org, team_slug }));
    sees.set(team, seen);
    if (!(await seen)) return undefined;
    let active = false;
    const member = teams.getMembershipForUserInOrg({ org, team_slug, username }).then(({ data }) => {
      active = data.state === 'active';
    });
    return (await asked(member)) && active;
  };
}

function isSame(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
