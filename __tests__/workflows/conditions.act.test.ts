/** The real workflow files under act, with actions that only say what they are told: when does which job run, with what? */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ActOptions, type ActResult, jobOf, runAct } from '../support/act.ts';
import { commit, makeUserRepository, moveLibrary } from '../support/act-repositories.ts';
import { finished } from '../support/act-rewrite.ts';

const GIVEN: Record<string, Record<string, string>> = {
  build: { trainer: 'sha256:aa', server: 'sha256:bb', run: '', 'training-id': 'sha256:cc' },
  train: { run: 'sha256:dd', 'training-id': 'sha256:cc', state: 'succeeded', metrics: '{"accuracy":0.9}' },
  'package-model': { package: 'sha256:ee' },
  'release-config': { release: 'sha256:ff' },
  deploy: { deployment: 'sha256:00', endpoint: 'http://127.0.0.1:8080', outcome: 'live' },
};

/** Prints its inputs, gives the outputs in STUB_OUTPUTS, fails when STUB_FAILS names it. */
const STUB = `
const { appendFileSync } = require('node:fs');
const name = require('node:path').basename(__dirname);
const env = process.env;
for (const key of Object.keys(env).filter((key) => key.startsWith('INPUT_')).sort()) console.log(key + '=' + env[key]);
for (const key of ['API_KEY', 'GITHUB_TOKEN', 'DOCKER_AUTH_CONFIG']) if (env[key]) console.log(key + ' has ' + env[key].length + ' characters');
appendFileSync(env.GITHUB_STEP_SUMMARY, '# ' + name + '\\n\\nSummary\\n');
for (const [key, value] of Object.entries(JSON.parse(env.STUB_OUTPUTS)[name])) appendFileSync(env.GITHUB_OUTPUT, key + '=' + value + '\\n');
process.exitCode = env.STUB_FAILS === name ? 1 : 0;
`;

/** Of a template, when no variable says otherwise. */
const STORE = 'oci://ghcr.io/acme/models/digits';

let place: string;
let library: string;
let repository: string;

async function stub(folder: string): Promise<string> {
  await writeFile(join(folder, 'package.json'), '{}');
  for (const name of Object.keys(GIVEN)) {
    await mkdir(join(folder, 'dist', name), { recursive: true });
    await rm(join(folder, 'dist', 'package.json'), { force: true });
    await writeFile(join(folder, 'dist', name, 'index.js'), STUB);
  }
  await commit(folder, 'Stubs');
  return folder;
}

beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'trainyard-conditions-'));
  await mkdir(join(place, 'project'));
  await writeFile(join(place, 'project', 'trainyard.yml'), 'name: digits\n');
  library = await stub(await moveLibrary(join(place, 'library')));
  const templates = {
    'pipeline.yml': 'trainyard-pipeline.yml',
    'pull-request.yml': 'trainyard-pull-request.yml',
    'rollback.yml': 'trainyard-rollback.yml',
  };
  repository = await makeUserRepository({
    place: join(place, 'user'),
    projects: { '.': join(place, 'project') },
    templates,
  });
}, 120_000);

afterAll(() => rm(place, { recursive: true, force: true }));

function act(options: Partial<ActOptions>, outputs = GIVEN, fails = ''): Promise<ActResult> {
  const machine = { STUB_OUTPUTS: JSON.stringify(outputs), STUB_FAILS: fails };
  return runAct({
    place,
    repository,
    library,
    workflow: 'pipeline.yml',
    results: 'http://127.0.0.1:9',
    machine,
    ...options,
  });
}

const ran = (result: ActResult): string[] => Object.keys(result.jobs);

test('a push goes through the whole line, digests in hand', async () => {
  const secrets = { API_KEY: 'a-secret-of-18-chars', TRAINYARD_REGISTRY_AUTH: '{"auths":{}}' };
  const result = await act({ secrets });
  expect(ran(result)).toEqual(['build', 'train', 'package', 'release', 'deploy']);
  expect(result.status).toBe(0);
  expect(jobOf(result, 'build').log).toContain(`INPUT_PROJECT=.\nINPUT_STORE=${STORE}\n`);
  expect(jobOf(result, 'train').log).toContain(
    'INPUT_HANDOFF=artifact:\nINPUT_PARAMS=\nINPUT_PLAIN-HTTP=false\nINPUT_TRAINER=sha256:aa\n',
  );
  expect(jobOf(result, 'package').log).toContain(
    `INPUT_RUN=sha256:dd\nINPUT_SERVER=sha256:bb\nINPUT_STORE=${STORE}\nINPUT_TOKEN=\nINPUT_TRAINER=sha256:aa\nINPUT_TRAINING-ID=sha256:cc\n`,
  );
  expect(jobOf(result, 'release').log).toContain('INPUT_ENVIRONMENT=staging\nINPUT_PACKAGE=sha256:ee\n');
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
  for (const job of ['build', 'train']) expect(jobOf(result, job).log).toContain(`INPUT_PARAMS=${params}\n`);
  expect(jobOf(result, 'train').log).toContain('INPUT_HANDOFF=/srv/handoff\n');
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

test.each([
  ['build', ['build']],
  ['train', ['build', 'train']],
  ['package-model', ['build', 'train', 'package']],
  ['release-config', ['build', 'train', 'package', 'release']],
])('when %s fails, nothing comes after it', async (stage, jobs) => {
  const result = await act({}, GIVEN, stage);
  expect(ran(result)).toEqual(jobs);
  expect(jobOf(result, jobs.at(-1) ?? '').result).toBe('failure');
  expect(result.status).toBe(1);
});

test('of failed jobs that run again, the finished ones do not, and their outputs are used', async () => {
  const outputs = { ...GIVEN.build, run: 'sha256:dd', state: 'succeeded' };
  const again = await stub(
    await moveLibrary(join(place, 'again'), (text, file) =>
      file === 'pipeline.yml' ? finished(text, 'train', outputs) : text,
    ),
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
  expect(ran(await act({ ...options, payload: pullRequest('acme/models') }))).toEqual(['build', 'train']);
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

test('a rollback asks deploy alone', async () => {
  const inputs = { release: 'previous', name: 'digits', environment: 'staging' };
  const result = await act({ event: 'workflow_dispatch', workflow: 'rollback.yml', payload: { inputs } });
  expect(ran(result)).toEqual(['deploy']);
  expect(jobOf(result, 'deploy').log).toContain(
    `INPUT_ENVIRONMENT=staging\nINPUT_NAME=digits\nINPUT_PLAIN-HTTP=false\nINPUT_RELEASE=previous\nINPUT_STORE=${STORE}\n`,
  );
});
