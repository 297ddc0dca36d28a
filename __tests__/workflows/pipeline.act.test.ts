/** The templates as they stand, with the real actions and a real model: what a team does from its first push on, in that order. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ActResult, assertSucceeded, jobOf, outputOf } from '../support/act.ts';
import { commit } from '../support/act-repositories.ts';
import { makeTeam, type Team } from '../support/act-user.ts';
import { ask, edit } from '../support/digits.ts';

let team: Team;
let endpoint: string;
let first: string;

beforeAll(async () => {
  team = await makeTeam(
    { '.': 'digits' },
    {
      'pipeline.yml': 'trainyard-pipeline.yml',
      'pull-request.yml': 'trainyard-pull-request.yml',
      'rollback.yml': 'trainyard-rollback.yml',
    },
  );
}, 120_000);

afterAll(() => team.close(), 60_000);

const ran = (result: ActResult): string[] => Object.keys(result.jobs);

/** Changes a file, commits and pushes: runs the pipeline with a folder as store. */
async function push(file?: string, change: (text: string) => string = (text) => text): Promise<ActResult> {
  if (file !== undefined) {
    await edit(join(team.repository, file), change);
    await commit(team.repository, `Change ${file}`);
  }
  return team.act({ workflow: 'pipeline.yml', vars: { TRAINYARD_STORE: team.store } });
}

test('a push trains, packages, releases and serves the model', async () => {
  const result = await push();
  assertSucceeded(result);
  expect(ran(result)).toEqual(['build', 'train-1', 'package', 'release', 'deploy']);
  expect(outputOf(result, 'train-1', 'state')).toBe('succeeded');
  expect(outputOf(result, 'deploy', 'outcome')).toBe('live');
  endpoint = outputOf(result, 'deploy', 'endpoint');
  first = outputOf(result, 'release', 'release');
  expect(await ask(endpoint)).toEqual({ release: first, label: 9 });
  for (const job of ran(result)) expect(jobOf(result, job).summary).toMatch(/^#+ \S/);
}, 300_000);

test.each([
  ['the README', 'README.md', (text: string) => `${text}\nMore.\n`],
  ['a threshold of the metrics', 'trainyard.yml', (text: string) => text.replace('min: 0.95', 'min: 0.9')],
  ['the resources', 'trainyard.yml', (text: string) => text.replace('gpus: 0', 'gpus: 0, gpu-memory: 24GiB')],
])(
  'a change of %s does not train',
  async (_what, file, change) => {
    const result = await push(file, change);
    assertSucceeded(result);
    expect(ran(result)).toEqual(['build', 'package', 'release', 'deploy']);
  },
  120_000,
);

test('a change of the server goes through without training, and a rollback brings model and configuration back', async () => {
  await edit(join(team.repository, 'environments/staging.yml'), (text) =>
    text.replace('THRESHOLD: 0.4', 'THRESHOLD: 0.9'),
  );
  const before = (await ask(endpoint)).release;
  const result = await push('serve.py', (text) => `${text}\n# A change.\n`);
  assertSucceeded(result);
  expect(ran(result)).toEqual(['build', 'package', 'release', 'deploy']);
  expect(await ask(endpoint)).toEqual({ release: outputOf(result, 'release', 'release'), label: -1 });

  const inputs = { release: 'previous', name: 'digits', environment: 'staging' };
  const back = await team.act({
    workflow: 'rollback.yml',
    event: 'workflow_dispatch',
    payload: { inputs },
    vars: { TRAINYARD_STORE: team.store },
  });
  assertSucceeded(back);
  expect(ran(back)).toEqual(['deploy']);
  expect(await ask(endpoint)).toEqual({ release: before, label: 9 });
}, 120_000);

test('a parameter override by hand trains, and the release goes to the environment that was asked for', async () => {
  const inputs = { environment: 'production', params: '{"epochs": 21}' };
  const result = await team.act({
    workflow: 'pipeline.yml',
    event: 'workflow_dispatch',
    payload: { inputs },
    vars: { TRAINYARD_STORE: team.store },
    secrets: { API_KEY: 'correct horse battery' },
  });
  assertSucceeded(result);
  expect(ran(result)).toEqual(['build', 'train-1', 'package', 'release', 'deploy']);
  const production = outputOf(result, 'deploy', 'endpoint');
  expect(production).not.toBe(endpoint);
  expect((await ask(production)).label).toBe(-1);
  const metrics = (key: string) =>
    fetch(`${production}/metrics`, { headers: { authorization: `Bearer ${key}` } });
  expect((await metrics('correct horse battery')).status).toBe(200);
  expect((await metrics('wrong')).status).toBe(401);
  for (const job of ran(result)) {
    const { log, summary } = jobOf(result, job);
    expect(log + summary).not.toContain('correct horse');
  }
}, 300_000);

test('a pull request trains its change and writes no store', async () => {
  await edit(join(team.repository, 'train.py'), (text) => `${text}\n# A change.\n`);
  await commit(team.repository, 'Change the trainer');
  const index = await readFile(join(team.store, 'index.json'), 'utf8');
  const repo = { full_name: 'acme/models' };
  const payload = {
    repository: repo,
    pull_request: { number: 7, head: { ref: 'topic', repo }, base: { ref: 'main', repo } },
  };
  const result = await team.act({
    workflow: 'pull-request.yml',
    event: 'pull_request',
    payload,
    vars: { TRAINYARD_STORE: team.store },
  });
  assertSucceeded(result);
  expect(ran(result)).toEqual(['build', 'train-1']);
  expect(outputOf(result, 'train-1', 'state')).toBe('succeeded');
  expect(await readFile(join(team.store, 'index.json'), 'utf8')).toBe(index);
}, 300_000);
