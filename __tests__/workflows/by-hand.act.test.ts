/** The templates that a person starts: which jobs run, with what. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ActResult, jobOf } from '../support/act.ts';
import { GIVEN, inputsOf, openStubs, ran, type Stubs } from '../support/act-stubs.ts';

/** Of a template, when no variable says otherwise. */
const STORE = 'oci://ghcr.io/acme/models/digits';

let stubs: Stubs;
beforeAll(async () => {
  const names = ['release', 'promote', 'rollback', 'lift'];
  stubs = await openStubs(Object.fromEntries(names.map((name) => [`${name}.yml`, `trainyard-${name}.yml`])));
}, 120_000);
afterAll(() => stubs.remove());

const SECRETS = { API_KEY: 'a-secret-of-18-chars', TRAINYARD_REGISTRY_AUTH: '{"auths":{}}' };
const start = (
  template: string,
  inputs: Readonly<Record<string, string>>,
  options: Parameters<Stubs['act']>[0] = {},
  fails = '',
): Promise<ActResult> =>
  stubs.act(
    {
      workflow: `${template}.yml`,
      event: 'workflow_dispatch',
      payload: { inputs },
      secrets: SECRETS,
      ...options,
    },
    GIVEN,
    fails,
  );

test('a package that is there is released for an environment, and deployed as a person named it', async () => {
  const inputs = { package: 'sha256:0a', environment: 'production' };
  const result = await start('release', inputs, { vars: { LIMIT: '3' } });
  expect(ran(result)).toEqual(['release', 'deploy']);
  expect(inputsOf(result, 'release', 'PACKAGE', 'ENVIRONMENT', 'PROJECT', 'STORE', 'FROM')).toEqual([
    'sha256:0a',
    'production',
    '.',
    STORE,
    '',
  ]);
  expect(jobOf(result, 'release').log).toContain('"LIMIT": "3"');
  expect(inputsOf(result, 'deploy', 'RELEASE', 'BY-HAND', 'LIFT', 'STORE')).toEqual([
    'sha256:ff',
    'true',
    'false',
    STORE,
  ]);
  expect(jobOf(result, 'release').log).not.toContain('API_KEY has');
  expect(jobOf(result, 'deploy').log).toContain('API_KEY has 20 characters');
  for (const job of ran(result)) expect(jobOf(result, job).log).toContain('DOCKER_AUTH_CONFIG has 12');
});

test('what serves in one environment is promoted to the next, after a day unless somebody says otherwise', async () => {
  const usual = await start('promote', { from: 'staging', environment: 'production', soak: '24h' });
  expect(ran(usual)).toEqual(['release', 'deploy']);
  const asked = ['FROM', 'SOAK', 'ENVIRONMENT', 'PACKAGE'];
  expect(inputsOf(usual, 'release', ...asked)).toEqual(['staging', '24h', 'production', '']);
  expect(inputsOf(usual, 'deploy', 'RELEASE', 'BY-HAND')).toEqual(['sha256:ff', 'true']);
  const soon = await start(
    'promote',
    { from: 'test', environment: 'staging', soak: '1s' },
    { vars: { TRAINYARD_STORE: '/srv/yard' } },
  );
  expect(inputsOf(soon, 'release', ...asked, 'STORE')).toEqual(['test', '1s', 'staging', '', '/srv/yard']);
  expect(inputsOf(soon, 'deploy', 'STORE')).toEqual(['/srv/yard']);
});

test.each(['release', 'promote'])('%s deploys nothing when there is no release', async (template) => {
  const result = await start(template, { package: 'sha256:0a' }, {}, 'release-config');
  expect(ran(result)).toEqual(['release']);
  expect(result.status).toBe(1);
});

test.each([
  ['rollback', 'previous', 'false'],
  ['lift', 'sha256:0b', 'true'],
])('%s is one job, by hand', async (template, release, lift) => {
  const inputs = { release, name: 'digits', environment: 'production' };
  const result = await start(template, inputs);
  expect(ran(result)).toEqual(['deploy']);
  expect(inputsOf(result, 'deploy', 'RELEASE', 'NAME', 'ENVIRONMENT', 'BY-HAND', 'LIFT', 'STORE')).toEqual([
    release,
    'digits',
    'production',
    'true',
    lift,
    STORE,
  ]);
});
