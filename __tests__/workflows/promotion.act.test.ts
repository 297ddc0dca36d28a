/** The templates as they stand, with the real actions: a model's way from staging to production, back, and back again. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ActResult, assertSucceeded, jobOf, outputOf } from '../support/act.ts';
import { commit } from '../support/act-repositories.ts';
import { makeTeam, type Team } from '../support/act-user.ts';
import { ask, edit } from '../support/digits.ts';

/** A mistake in serve.py that nobody sees before it answers. */
const WHOLE = '    label = np.where(';
const BROKEN = `    probabilities = 1 - probabilities\n${WHOLE}`;

let team: Team;
/** What serves in production. */
let endpoint: string;
let first: string;
let second: string;

beforeAll(async () => {
  const names = ['pipeline', 'promote', 'release', 'rollback', 'lift'];
  team = await makeTeam(
    { '.': 'digits' },
    Object.fromEntries(names.map((name) => [`${name}.yml`, `trainyard-${name}.yml`])),
  );
}, 120_000);
afterAll(() => team.close(), 60_000);

const ran = (result: ActResult): string[] => Object.keys(result.jobs);
const verdict = (result: ActResult, job: string): string =>
  jobOf(result, job).summary.split('\n').find(Boolean) ?? '';

/** A person starts a template with these inputs. */
const start = (template: string, inputs: Readonly<Record<string, string>>): Promise<ActResult> =>
  team.act({
    workflow: `${template}.yml`,
    event: 'workflow_dispatch',
    payload: { inputs },
    vars: { TRAINYARD_STORE: team.store },
    secrets: { API_KEY: 'correct horse battery' },
  });
const promote = (soak: string): Promise<ActResult> =>
  start('promote', { from: 'staging', environment: 'production', soak });
const push = (): Promise<ActResult> =>
  team.act({ workflow: 'pipeline.yml', vars: { TRAINYARD_STORE: team.store } });
async function change(file: string, how: (text: string) => string): Promise<void> {
  await edit(join(team.repository, file), how);
  await commit(team.repository, `Change ${file}`);
}

test('nothing is promoted before anything serves', async () => {
  const result = await promote('1s');
  expect([result.status, ran(result)]).toEqual([1, ['release']]);
  expect(jobOf(result, 'release').log).toMatch(/what staging serves is not promoted: .* knows of nothing/);
});

test('what serves in staging is promoted once it has been live for long enough', async () => {
  assertSucceeded(await push());
  const early = await promote('24h');
  expect([early.status, ran(early)]).toEqual([1, ['release']]);
  expect(jobOf(early, 'release').log).toMatch(/has been live for \d+s .* and has to be for 1d \(soak\)/);
  const result = await promote('1s');
  assertSucceeded(result);
  expect(ran(result)).toEqual(['release', 'deploy']);
  first = outputOf(result, 'release', 'release');
  endpoint = outputOf(result, 'deploy', 'endpoint');
  // Production's threshold: it would rather say that it is not sure.
  expect(await ask(endpoint)).toEqual({ release: first, label: -1 });
}, 300_000);

test('a bad release is refused by its golden requests, and the old one goes on serving', async () => {
  await change('serve.py', (text) => text.replace(WHOLE, BROKEN));
  const result = await start('pipeline', { environment: 'production' });
  expect(ran(result)).toEqual(['build', 'package', 'release', 'deploy']);
  expect(jobOf(result, 'deploy').result).toBe('failure');
  expect(verdict(result, 'deploy')).toMatch(
    /^### 🟠 production · digits .* refused before the switch: .*golden/,
  );
  expect(await ask(endpoint)).toEqual({ release: first, label: -1 });
}, 200_000);

test('a roll-back holds what it leaves, until a person lifts that', async () => {
  await change('serve.py', (text) => text.replace(BROKEN, WHOLE));
  await change('environments/production.yml', (text) => text.replace('THRESHOLD: 0.62', 'THRESHOLD: 0.4'));
  const better = await start('pipeline', { environment: 'production' });
  assertSucceeded(better);
  second = outputOf(better, 'release', 'release');
  expect(await ask(endpoint)).toEqual({ release: second, label: 9 });

  const back = await start('rollback', { release: 'previous', name: 'digits', environment: 'production' });
  assertSucceeded(back);
  expect(await ask(endpoint)).toEqual({ release: first, label: -1 });

  const again = await start('pipeline', { environment: 'production' });
  expect(outputOf(again, 'release', 'release')).toBe(second);
  expect(jobOf(again, 'deploy').result).toBe('failure');
  expect(outputOf(again, 'deploy', 'outcome')).toBe('held');
  expect(await ask(endpoint)).toEqual({ release: first, label: -1 });

  const lifted = await start('lift', { release: second, name: 'digits', environment: 'production' });
  assertSucceeded(lifted);
  expect(await ask(endpoint)).toEqual({ release: second, label: 9 });
}, 400_000);

test('a package that is there is released by hand', async () => {
  const staged = await push();
  const inputs = { package: outputOf(staged, 'package', 'package'), environment: 'staging' };
  const result = await start('release', inputs);
  assertSucceeded(result);
  expect(outputOf(result, 'release', 'release')).toBe(outputOf(staged, 'release', 'release'));
  expect(outputOf(result, 'deploy', 'outcome')).toBe('unchanged');
}, 200_000);
