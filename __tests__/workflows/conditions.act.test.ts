/** When which job of the pipeline runs, and with what. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { jobOf } from '../support/act.ts';
import { finished } from '../support/act-rewrite.ts';
import { GIVEN, inputsOf, openStubs, ran, type Stubs } from '../support/act-stubs.ts';

/** Of a template, when no variable says otherwise. */
const STORE = 'oci://ghcr.io/acme/models/digits';

let stubs: Stubs;
beforeAll(async () => {
  stubs = await openStubs({
    'pipeline.yml': 'trainyard-pipeline.yml',
    'pull-request.yml': 'trainyard-pull-request.yml',
    'retrain.yml': 'trainyard-retrain.yml',
  });
}, 120_000);

afterAll(() => stubs.remove());

const act: Stubs['act'] = (...args) => stubs.act(...args);

test('a push goes through the whole line, digests in hand', async () => {
  const secrets = { API_KEY: 'a-secret-of-18-chars', TRAINYARD_REGISTRY_AUTH: '{"auths":{}}' };
  const result = await act({ secrets });
  expect(ran(result)).toEqual(['build', 'train-1', 'package', 'release', 'deploy']);
  expect(result.status).toBe(0);
  expect(jobOf(result, 'build').log).toContain(`INPUT_PROJECT=.\nINPUT_STORE=${STORE}\n`);
  expect(jobOf(result, 'train-1').log).toContain(
    'INPUT_HANDOFF=artifact:\nINPUT_PARAMS=\nINPUT_PLAIN-HTTP=\nINPUT_PREVIOUS=\nINPUT_PRICE-PER-HOUR=\nINPUT_SINGLE-USE=false\nINPUT_SMOKE=false\nINPUT_TIME-BUDGET=\nINPUT_TRAINER=sha256:aa\n',
  );
  expect(jobOf(result, 'package').log).toContain(
    `INPUT_RUN=sha256:dd\nINPUT_SERVER=sha256:bb\nINPUT_STORE=${STORE}\nINPUT_TOKEN=\nINPUT_TRAINER=sha256:aa\nINPUT_TRAINING-ID=sha256:cc\n`,
  );
  expect(inputsOf(result, 'release', 'ENVIRONMENT', 'PACKAGE', 'FROM')).toEqual(['staging', 'sha256:ee', '']);
  expect(jobOf(result, 'deploy').log).toContain(`INPUT_RELEASE=sha256:ff\nINPUT_STORE=${STORE}\n`);
  expect(jobOf(result, 'deploy').outputs.outcome).toBe('live');
  expect(jobOf(result, 'deploy').summary).toBe('# deploy\n\nSummary\n');
  const having = (text: string): string[] =>
    ran(result).filter((job) => jobOf(result, job).log.includes(text));
  expect(having('API_KEY has')).toEqual(['deploy']);
  expect(having('GITHUB_TOKEN has')).toEqual([]);
  expect(having('INPUT_TOKEN=')).toEqual(['build', 'package', 'release', 'deploy']);
  expect(having('DOCKER_AUTH_CONFIG has 12')).toEqual(['build', 'package', 'release', 'deploy']);
});

test('by hand, the environment, the parameters, the stores and the runner are what was asked for', async () => {
  const params = '{"note": "\\"; touch PWN #\\nEOF"}';
  const vars = {
    TRAINYARD_STORE: '/srv/store',
    TRAINYARD_HANDOFF: '/srv/handoff',
    TRAINYARD_TRAINING_RUNNER: '["self-hosted", "gpu"]',
  };
  const result = await act({
    event: 'workflow_dispatch',
    payload: { inputs: { environment: 'production', params } },
    vars,
  });
  expect(result.status).toBe(0);
  for (const job of ['build', 'train-1'])
    expect(jobOf(result, job).log).toContain(`INPUT_PARAMS=${params}\n`);
  expect(jobOf(result, 'train-1').log).toContain('INPUT_HANDOFF=/srv/handoff\n');
  expect(jobOf(result, 'release').log).toContain('INPUT_ENVIRONMENT=production\n');
  expect(jobOf(result, 'release').log).toMatch(/INPUT_VARS=\{\n {2}"TRAINYARD_HANDOFF": "\/srv\/handoff",/);
  expect(jobOf(result, 'deploy').log).toContain('INPUT_STORE=/srv/store\n');
});

test('a finished Run is packaged without training', async () => {
  const result = await act({}, { ...GIVEN, build: { ...GIVEN.build, run: 'sha256:0d' } });
  expect(ran(result)).toEqual(['build', 'package', 'release', 'deploy']);
  expect(jobOf(result, 'package').log).toContain('INPUT_RUN=sha256:0d\n');
  expect(result.status).toBe(0);
});

test('a schedule trains anew though a finished Run is there, and deploys like a push', async () => {
  const given = { ...GIVEN, build: { ...GIVEN.build, run: '' } };
  const result = await act({ event: 'schedule', workflow: 'retrain.yml' }, given);
  expect(ran(result)).toEqual(['build', 'train-1', 'package', 'release', 'deploy']);
  for (const job of ['build', 'train-1']) expect(inputsOf(result, job, 'FORCE')).toEqual(['true']);
  expect(inputsOf(result, 'release', 'ENVIRONMENT')).toEqual(['staging']);
  expect(inputsOf(result, 'deploy', 'RELEASE', 'STORE')).toEqual(['sha256:ff', STORE]);
});

test.each([
  ['build', ['build']],
  ['train', ['build', 'train-1']],
  ['package-model', ['build', 'train-1', 'package']],
  ['release-config', ['build', 'train-1', 'package', 'release']],
])('when %s fails, nothing comes after it', async (stage, jobs) => {
  const result = await act({}, GIVEN, stage);
  expect(ran(result)).toEqual(jobs);
  expect(jobOf(result, jobs.at(-1) ?? '').result).toBe('failure');
  expect(result.status).toBe(1);
});

test('of failed jobs that run again, the finished ones do not, and their outputs are used', async () => {
  const outputs = { ...GIVEN.build, run: 'sha256:dd', state: 'succeeded' };
  const again = await stubs.library('again', (text, file) =>
    file === 'pipeline.yml' ? finished(text, 'train', outputs) : text,
  );
  const result = await act({ library: again, attempt: 2 });
  expect(ran(result)).toEqual(['train', 'package', 'release', 'deploy']);
  expect(jobOf(result, 'train').log).toBe('');
  expect(jobOf(result, 'package').log).toContain('INPUT_RUN=sha256:dd\n');
});

const pullRequest = (from: string) => ({
  repository: { full_name: 'acme/models' },
  pull_request: {
    number: 7,
    head: { ref: 'topic', repo: { full_name: from } },
    base: { ref: 'main', repo: { full_name: 'acme/models' } },
  },
});

test('a pull request of the repository trains, one of a fork does not and is not red', async () => {
  const options = { event: 'pull_request', workflow: 'pull-request.yml' };
  expect(ran(await act({ ...options, payload: pullRequest('acme/models') }))).toEqual(['build', 'train-1']);
  const fork = await act({ ...options, payload: pullRequest('mallory/models') });
  expect(ran(fork)).toEqual(['build']);
  expect(fork.status).toBe(0);
});

test('a pull request asks no registry, and uses folders where the team has some', async () => {
  const options = {
    event: 'pull_request',
    workflow: 'pull-request.yml',
    payload: pullRequest('acme/models'),
  };
  const places = async (vars: Record<string, string>): Promise<string> => {
    const { log } = jobOf(await act({ ...options, vars }), 'build');
    return [...log.matchAll(/INPUT_(?:HANDOFF|STORE)=(.*)/g)].map(([, value]) => value).join(' ');
  };
  const oci = 'oci://registry.example/acme/digits';
  expect(await places({ TRAINYARD_STORE: oci, TRAINYARD_HANDOFF: `${oci}-handoff` })).toBe(
    'artifact: artifact:',
  );
  expect(await places({ TRAINYARD_STORE: '/srv/yard', TRAINYARD_HANDOFF: '/srv/handoff' })).toBe(
    '/srv/handoff /srv/yard',
  );
});
