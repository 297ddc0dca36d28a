/** The templates that a person starts: which jobs run, with what. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { type ActResult, jobOf } from '../support/act.ts';
import { GIVEN, inputsOf, openStubs, ran, type Stubs } from '../support/act-stubs.ts';

/** Of a template, when no variable says otherwise. */
const STORE = 'oci://ghcr.io/acme/models/digits';

let stubs: Stubs;
beforeAll(async () => {
  const names = ['release', 'rollback', 'lift'];
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
  expect(inputsOf(result, 'release', 'PACKAGE', 'ENVIRONMENT', 'PROJECT', 'STORE')).toEqual([
    'sha256:0a',
    'production',
    '.',
    STORE,
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

test.each(['release'])('%s deploys nothing when there is no release', async (template) => {
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
