/** What else a deploy meets in a job: no way back, secrets that are gone, a summary that is too long or can't be written, proxies. */
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Digest } from '../../src/lib/digest.ts';
import { ask } from '../../src/lib/http.ts';
import { deployStep } from '../support/deploy-step.ts';
import { toldBy } from '../support/deploys.ts';
import { HERE, type Machine, servingMachine } from '../support/machines.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
let one: Digest;
beforeEach(async () => {
  machine = await servingMachine();
  one = await machine.release({ model: 'one', secrets: ['API_KEY'] });
  await machine.deploy(one, { env: { ...process.env, API_KEY: 'open sesame' } });
});
afterEach(() => machine.remove());

/** The step was an error that changed and recorded nothing. */
async function expectNothingDone(serving: Digest, deployments: number): Promise<void> {
  expect(await machine.served()).toMatchObject({ release: serving, state: 'up' });
  expect(await toldBy(machine)).toHaveLength(deployments);
}

describe('a roll-back', () => {
  test('of the first release: there is none before it', async () => {
    const step = await deployStep(machine, { release: 'previous', ...HERE });
    expect(step).toMatchObject({ status: 1, outputs: {} });
    expect(step.stdout).toContain(
      `::error::${one} is the first release that was live here, so there is no previous one; give the digest of a release`,
    );
    await expectNothingDone(one, 1);
  });

  test('to a release whose secret the step no longer gives', async () => {
    const two = await machine.release({ model: 'two' });
    await machine.deploy(two);
    const step = await deployStep(machine, { release: 'previous', ...HERE });
    expect(step).toMatchObject({ status: 1, outputs: {} });
    expect(step.stdout).toContain('Add to the step: env: {API_KEY: ${{ secrets.API_KEY }}}');
    await expectNothingDone(two, 2);
  });
});

test('what the release from before says of its own secret is hidden, when it is asked as the new one has failed', async () => {
  const env = { ...process.env, API_KEY: 'open sesame' };
  const tired = await machine.release({ config: { MODE: 'tires' }, secrets: ['API_KEY'] });
  await machine.deploy(tired, { env });
  const body = JSON.stringify({ numbers: [1] });
  const sum = { method: 'POST', path: '/sum', body, timeoutSeconds: 10 };
  const place = { host: '127.0.0.1', port: machine.port };
  let answer = await ask(place, sum);
  while (answer.status === 200) answer = await ask(place, sum);
  expect(answer.body).toContain('open sesame');
  const { rollout, deployment } = await machine.deploy(await machine.release({ config: { OFFSET: 1 } }), {
    env,
  });
  expect(rollout.outcome).toBe('refused');
  const said = JSON.stringify([deployment.config, machine.log.lines]);
  expect(said).toContain('tired of ***');
  expect(said).not.toContain('open sesame');
});

test('a configuration that asks for a secret which nobody gives: what serves is not touched', async () => {
  const release = await machine.release({ secrets: ['API_KEY', 'DB_PASSWORD'] });
  const step = await deployStep(machine, { release }, { env: { API_KEY: 'open sesame' } });
  expect(step).toMatchObject({ status: 1, outputs: {} });
  expect(step.stdout).toContain('does not have: DB_PASSWORD. Add to the step');
  await expectNothingDone(one, 1);
});

test('a summary of more than 1 MiB is cut where GitHub would drop it', async () => {
  const release = await machine.release({ config: { MODE: 'shouts' } });
  const step = await deployStep(machine, { release });
  expect(step).toMatchObject({ status: 1, stderr: '', outputs: { outcome: 'refused' } });
  expect(Buffer.byteLength(step.summary)).toBeLessThanOrEqual(2 ** 20);
  expect(Buffer.byteLength(step.summary)).toBeGreaterThan(2 ** 19);
  expect(step.summary).toMatch(
    /^### 🟠 test · toy .* refused before the switch: the server ended with status 7/,
  );
  expect(step.summary.trimEnd()).toMatch(/… \(cut: a summary may have 1 MiB\)$/);
});

test('a summary that cannot be written: the release is live, and the step says both', async () => {
  const release = await machine.release({ model: 'two' });
  const env = { GITHUB_STEP_SUMMARY: join(machine.root, 'there', 'is', 'none') };
  const step = await deployStep(machine, { release }, { env });
  expect(step).toMatchObject({ status: 0, outputs: { outcome: 'live' } });
  expect(step.stdout).toMatch(/^::warning::the summary could not be written: /m);
  expect((await machine.served()).release).toBe(release);
});

test('proxies are for others: the release on this machine is asked without', async () => {
  const release = await machine.release({ model: 'two' });
  const proxies = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'all_proxy'];
  const nowhere = Object.fromEntries(proxies.map((name) => [name, 'http://127.0.0.1:1']));
  for (const more of [{}, { NODE_USE_ENV_PROXY: '1' }]) {
    const step = await deployStep(machine, { release }, { env: { ...nowhere, ...more } });
    expect(step).toMatchObject({ status: 0, stderr: '' });
  }
  expect((await machine.served()).release).toBe(release);
});
