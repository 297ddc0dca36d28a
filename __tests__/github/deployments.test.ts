import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type Served, tellDeployment } from '../../src/github/deployments.ts';
import { digestOf } from '../../src/lib/digest.ts';
import { type GitHubApi, startGitHubApi } from '../support/github-api.ts';
import { type RecordingLog, recordingLog } from '../support/log.ts';

const release = digestOf(Buffer.from('a release'));
const SERVED: Served = {
  environment: 'production',
  release,
  endpoint: 'http://10.0.0.5:8080',
  live: true,
  says: 'live since 14:22 UTC',
};

let api: GitHubApi;
let log: RecordingLog;
beforeEach(async () => {
  api = await startGitHubApi();
  log = recordingLog();
});
afterEach(() => api.close());

const tell = (changes: Partial<Served> = {}, token: string | undefined = 'all', env = {}): Promise<void> =>
  tellDeployment(
    { ...SERVED, ...changes },
    { env: { ...api.env, ...env }, token, log, signal: new AbortController().signal },
  );
const made = (): string[] => api.asked.filter((one) => one.startsWith('POST'));

describe("the job's own Deployment", () => {
  test('gets the address, and the page that it has', async () => {
    api.deploys('production', 6);
    const own = api.deploys('production', 7);
    api.deploys('staging', 7, 'success');
    await tell();
    expect(api.deployments.map(({ statuses }) => statuses.length)).toEqual([2, 3, 2]);
    expect(own.statuses.at(-1)).toEqual({
      state: 'in_progress',
      log_url: 'https://github.example/acme/models/actions/runs/7/job/71',
      environment_url: 'http://10.0.0.5:8080',
      description: `${release} live since 14:22 UTC`,
    });
    expect([log.lines, log.warnings]).toEqual([[], []]);
  });

  test('is told from that of another environment, and from that of a run whose number begins alike', async () => {
    const own = api.deploys('Production', 7);
    const others = [api.deploys('staging', 7), api.deploys('production', 77)];
    await tell();
    expect(own.statuses).toHaveLength(3);
    for (const { statuses } of others) expect(statuses).toHaveLength(2);
  });

  test('may have another name than the environment', async () => {
    const own = api.deploys('production-eu', 7);
    await tell();
    expect(own.statuses).toHaveLength(3);
    expect(api.deployments).toHaveLength(1);
  });

  test('is left alone where several jobs of the run have one', async () => {
    api.deploys('production', 7);
    api.deploys('production', 7);
    await tell();
    expect(made()).toEqual([]);
    expect(log.lines).toEqual([expect.stringContaining('several jobs of this run')]);
  });

  test('gets no address that is none', async () => {
    const own = api.deploys('production', 7);
    await tell({ endpoint: 'production.models.svc:80', says: 'x'.repeat(200) });
    expect(own.statuses.at(-1)).not.toHaveProperty('environment_url');
    expect(own.statuses.at(-1)?.description).toHaveLength(140);
  });
});

describe('a job without one', () => {
  test.each([
    [true, 'success'],
    [false, 'failure'],
  ])('gets one, with the release as payload (live: %s)', async (live, state) => {
    api.deploys('production', 7, 'success');
    api.deploys('production', 7, 'queued');
    await tell({ live });
    expect(api.deployments).toHaveLength(3);
    expect(api.deployments.at(-1)).toMatchObject({
      sha: 'c'.repeat(40),
      environment: 'production',
      payload: { release },
      statuses: [
        {
          state,
          environment_url: 'http://10.0.0.5:8080',
          log_url: 'https://github.example/acme/models/actions/runs/7',
        },
      ],
    });
  });
});

describe('the deploy goes on', () => {
  test('without a token, and says so once', async () => {
    await tell({}, '');
    expect(log.lines).toEqual(['GitHub does not learn of this deployment: there is no token']);
  });

  test('at a terminal, where nothing is to be said', async () => {
    await tell({}, undefined, { GITHUB_RUN_ID: undefined });
    await tell({}, 'all', { GITHUB_RUN_ID: undefined });
    expect([log.lines, log.warnings, api.asked]).toEqual([[], [], []]);
  });

  test('without the permission, and names it', async () => {
    api.tokens.set('weak', ['contents: read']);
    await tell({}, 'weak');
    expect(log.lines).toEqual([
      expect.stringMatching(/: grant the job "deployments: write" for that \(Resource not accessible/),
    ]);
    expect(log.warnings).toEqual([]);
  });

  test('when GitHub fails', async () => {
    api.first.push(500);
    await tell();
    await api.close();
    await tell();
    expect(log.warnings).toEqual([
      expect.stringMatching(/^GitHub does not learn of this deployment: Early/),
      expect.stringMatching(/^GitHub does not learn of this deployment: /),
    ]);
  });
});
