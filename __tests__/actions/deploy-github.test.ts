/** What deploy asks GitHub, and tells it, with the token of the job. */
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { deployStep } from '../support/deploy-step.ts';
import { type GitHubApi, startGitHubApi } from '../support/github-api.ts';
import { type Machine, servingMachine } from '../support/machines.ts';
import { cancelAsRunner } from '../support/runner-cancel.ts';
import { runStep, type StepResult } from '../support/step.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

const OLD = 'a'.repeat(40);
const NEW = 'b'.repeat(40);

let machine: Machine;
let api: GitHubApi;
beforeEach(async () => {
  machine = await servingMachine();
  api = await startGitHubApi();
});
afterEach(async () => {
  await api.close();
  await machine.remove();
});

/** A job that a schedule started. */
async function step(
  inputs: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Promise<StepResult> {
  return runStep(
    'deploy',
    {
      store: join(machine.root, 'yard'),
      name: '',
      environment: '',
      token: 'all',
      'by-hand': 'false',
      ...inputs,
    },
    {
      ...api.env,
      PATH: `${dirname(await tool('uv'))}:${process.env.PATH}`,
      GITHUB_ACTIONS: 'true',
      GITHUB_EVENT_NAME: 'schedule',
      GITHUB_ACTOR: 'ada',
      TRAINYARD_STATE: join(machine.root, 'state'),
      TRAINYARD_CACHE: join(machine.root, 'cache'),
      ...env,
    },
    undefined,
    join(machine.dist, 'front', 'index.js'),
  );
}

test("the page of the job's environment gets the address and the release; without a token all is served the same", async () => {
  const own = api.deploys('test', 7);
  const release = await machine.release();
  const { outputs } = await step({ release });
  expect(own.statuses.at(-1)).toMatchObject({
    state: 'in_progress',
    environment_url: outputs.endpoint,
    description: `${release} live`,
  });
  const count = api.asked.length;
  const { outputs: again, stdout } = await step({ release, token: '' });
  expect(again.outcome).toBe('unchanged');
  expect(stdout.match(/GitHub does not learn of this deployment: there is no token/g)).toHaveLength(1);
  expect(api.asked).toHaveLength(count);
});

test('a deploy that is cancelled says what came of it, though GitHub is no longer told', async () => {
  const probing = { rate: 5, errors: 0, windowSeconds: 0, watchSeconds: 90 };
  const release = await machine.release({ probing });
  const env = { ...api.env, GITHUB_ACTIONS: 'true', GITHUB_EVENT_NAME: 'push', GITHUB_ACTOR: 'ada' };
  const cancelled = { env, at: 'watching', act: cancelAsRunner } as const;
  const result = await deployStep(machine, { release, token: 'all' }, cancelled);
  expect(result).toMatchObject({ status: 1, outputs: { outcome: 'rolled-back' } });
  expect(result.stdout).toContain('GitHub does not learn of this deployment');
  expect(result.summary).toContain('rolled back');
});

test('a release is brought by an approver, or not at all', async () => {
  const release = await machine.release({ approvers: ['grace'] });
  const refused = await step({ release });
  expect(refused.status).toBe(1);
  expect(refused.stdout).toMatch(
    /^::error::test may be deployed to only by grace \(approvers of environments\/test\.yml\); none of them started or approved this run: ada started it\./m,
  );
  expect(api.deployments).toEqual([]);
  api.reviews.push({ state: 'approved', user: { login: 'grace' }, environments: [{ name: 'test' }] });
  const brought = await step({ release });
  expect(brought.outputs.outcome).toBe('live');
  expect(brought.summary).toContain('grace, who approved it');
});

test("an older commit than what serves is told by GitHub's word, and comes when a person named it", async () => {
  api.parents.set(OLD, []).set(NEW, [OLD]);
  const newer = await machine.release({ model: 'new', explainedBy: NEW });
  const older = await machine.release({ model: 'old', explainedBy: OLD });
  expect((await step({ release: newer })).outputs.outcome).toBe('live');
  const superseded = await step({ release: older });
  expect(superseded.outputs.outcome).toBe('superseded');
  expect(superseded.status).toBe(1);
  expect(api.deployments.at(-1)).toMatchObject({
    payload: { release: older },
    statuses: [{ state: 'failure' }],
  });
  expect((await machine.served()).release).toBe(newer);
  expect((await step({ release: older, 'by-hand': 'true' })).outputs.outcome).toBe('live');
});
