import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Approval, findApproval } from '../../src/github/approvals.ts';
import { MachineError, messageOf, UserError } from '../../src/lib/errors.ts';
import { type GitHubApi, type Review, startGitHubApi } from '../support/github-api.ts';
import { recordingLog } from '../support/log.ts';

let api: GitHubApi;
beforeEach(async () => {
  api = await startGitHubApi();
  api.tokens.set('team', ['members: read']);
  api.teams.set('acme/ml-leads', ['grace', 'new?']);
});
afterEach(() => api.close());

const TEAM = { TRAINYARD_TEAM_TOKEN: 'team' };
function find(approvers: string[], env: Record<string, string | undefined> = {}, token = 'all') {
  const place = { env: { ...api.env, ...env }, token, log: recordingLog() };
  const wanted = { approvers, environment: 'production' };
  return findApproval(wanted, { ...place, signal: new AbortController().signal });
}
async function refusal(found: Promise<Approval>, kind: typeof UserError | typeof MachineError) {
  const error = await found.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(kind);
  return messageOf(error);
}
const review = (login: string, state: Review['state'] = 'approved', name = 'production'): Review => ({
  state,
  user: { login },
  environments: [{ name }],
});

describe('who may', () => {
  test('is who started the run, whatever the case of the name', async () => {
    expect(await find(['eve', 'Ada'])).toEqual({ login: 'ada', did: 'started', as: 'Ada' });
  });

  test('is who ran its jobs again', async () => {
    api.starters.push('grace');
    expect(await find(['grace'], { GITHUB_RUN_ATTEMPT: '2' })).toMatchObject({ login: 'grace' });
    expect(await refusal(find(['ada'], { GITHUB_RUN_ATTEMPT: '2' }), UserError)).toContain(
      'grace started it',
    );
  });

  test('is nobody where a schedule started it: GitHub names who wrote that', async () => {
    api.run.event = 'schedule';
    expect(await refusal(find(['ada']), UserError)).toContain('nobody started or approved this run');
    api.reviews.push(review('grace'));
    expect(await find(['ada', 'grace'])).toMatchObject({ login: 'grace', did: 'approved' });
    api.starters.push('ada');
    expect(await find(['ada'], { GITHUB_RUN_ATTEMPT: '2' })).toMatchObject({ login: 'ada', did: 'started' });
  });

  test('is who approved it', async () => {
    api.reviews.push(review('eve', 'rejected'), review('grace'));
    expect(await find(['eve', 'grace'])).toEqual({ login: 'grace', did: 'approved', as: 'grace' });
  });

  test('is a member of a team', async () => {
    api.reviews.push(review('grace'));
    expect(await find(['acme/ml-leads'], TEAM)).toEqual({
      login: 'grace',
      did: 'approved',
      as: 'acme/ml-leads',
    });
  });
});

describe('it is refused', () => {
  test('when none of them started or approved it', async () => {
    api.reviews.push(review('grace', 'rejected'), review('alan'));
    expect(await refusal(find(['grace', 'acme/ml-leads'], TEAM), UserError)).toBe(
      'production may be deployed to only by grace, acme/ml-leads (approvers of environments/production.yml); none of them started or approved this run: ada started it, alan approved it. Let one of them run its jobs again',
    );
  });

  test('when the approval was for another environment', async () => {
    api.reviews.push(review('grace', 'approved', 'staging'));
    expect(await refusal(find(['grace']), UserError)).toMatch(/: ada started it\. Let/);
  });

  test('when the membership is not accepted yet', async () => {
    api.reviews.push(review('new'));
    const said = await refusal(find(['acme/ml-leads'], TEAM), UserError);
    expect(said).toContain('new approved it');
    expect(said).not.toContain('TRAINYARD_TEAM_TOKEN');
  });

  test("when the team can't be seen, and says what would see it", async () => {
    api.reviews.push(review('grace'));
    expect(await refusal(find(['acme/ml-leads']), UserError)).toMatch(
      /The members of acme\/ml-leads can't be seen, with a job's own token never: give the step TRAINYARD_TEAM_TOKEN, a token with the organisation's permission "Members: read"$/,
    );
    expect(await refusal(find(['acme/none'], TEAM), UserError)).toContain('The members of acme/none');
    expect(await find(['acme/ml-leads', 'grace'])).toMatchObject({ as: 'grace' });
  });

  test('at a terminal', async () => {
    const said = await refusal(find(['ada'], { GITHUB_RUN_ID: undefined }), UserError);
    expect(said).toMatch(/who you are can be told on GitHub only: deploy with a workflow/);
  });

  test('without a token, and without the permission', async () => {
    expect(await refusal(find(['ada'], {}, ''), UserError)).toMatch(/there is no token .*"actions: read"$/);
    api.tokens.set('weak', ['contents: read']);
    expect(await refusal(find(['ada'], {}, 'weak'), UserError)).toMatch(
      /grant the job "actions: read" \(Resource not accessible/,
    );
  });
});

test('GitHub that fails is no refusal', async () => {
  api.first.push(503);
  expect(await refusal(find(['ada']), MachineError)).toMatch(/does not say who started .* \(Early/);
});

test('GitHub that fails for a team is none, either', async () => {
  api.first.push(undefined, undefined, 503);
  expect(await refusal(find(['acme/ml-leads'], TEAM), MachineError)).toMatch(/who is in a team/);
});
