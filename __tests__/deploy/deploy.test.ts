import { mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { freePort } from '../../src/deploy/process/ports.ts';
import { type Digest, digestOf } from '../../src/lib/digest.ts';
import { deployment } from '../../src/records/deployment.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { findRecord, readBytes } from '../../src/store/records.ts';
import { until } from '../support/fronts.ts';
import { damage, HERE, type Machine, outcomeOf, servingMachine } from '../support/machines.ts';
import { processesOf } from '../support/processes.ts';
import { sumOf } from '../support/releases.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

let machine: Machine;
beforeEach(async () => {
  machine = await servingMachine();
});
afterEach(() => machine.remove());

describe('a release goes live', () => {
  test('with its configuration, its secrets and nothing of the job, and the Deployment says so in both stores', async () => {
    const release = await machine.release({
      config: { LIMIT: 3, NAME: 'x', MAP: { a: 1 } },
      secrets: ['API_KEY'],
    });
    const env = { ...process.env, GITHUB_TOKEN: 'job-token', API_KEY: 'open sesame' };
    const { rollout, deployment: record, parts } = await machine.deploy(release, { env });
    expect(rollout).toMatchObject({ outcome: 'live', before: null, reason: null });
    expect(record.config).toMatchObject({
      outcome: 'live',
      endpoint: `http://127.0.0.1:${machine.port}`,
      checks: [
        { name: 'ready', passed: true },
        {
          name: 'golden requests',
          passed: true,
          detail: expect.stringMatching(/^1 of 1, p50 \d+ ms, p95 \d+ ms$/),
        },
        { name: 'release in public', passed: true, detail: release.slice(7, 19) },
        { name: 'golden requests in public', passed: true },
      ],
    });
    expect(record.manifest.subject?.digest).toBe(release);
    for (const store of [machine.store, new LayoutStore(machine.state)])
      expect((await findRecord(store, deployment, record.digest))?.config).toEqual(record.config);
    expect(await machine.served()).toMatchObject({
      release,
      run: parts.run,
      deployment: record.digest,
      state: 'up',
    });

    const variables = JSON.parse((await machine.get('/env')).body);
    expect(variables).toMatchObject({
      LIMIT: '3',
      NAME: 'x',
      MAP: '{"a":1}',
      API_KEY: 'open sesame',
      TRAINYARD_RELEASE: release,
      PORT: expect.stringMatching(/^\d+$/),
      VIRTUAL_ENV: expect.stringContaining(join(machine.state, 'environments')),
    });
    expect(variables.PATH.startsWith(`${variables.VIRTUAL_ENV}/bin:`)).toBe(true);
    expect(Object.keys(variables).filter((name) => /^(GITHUB|INPUT|RUNNER|ACTIONS)_/.test(name))).toEqual([]);
    expect(machine.masked).toEqual(['open sesame']);
    expect((await stat(machine.state)).mode & 0o777).toBe(0o700);
    for (const file of await readdir(machine.root, { recursive: true, withFileTypes: true }))
      if (file.isFile() && file.name !== 'node')
        expect(await readFile(join(file.parentPath, file.name), 'latin1')).not.toContain('open sesame');
  });

  test('its command has the paths of the model and the address to listen on', async () => {
    await machine.deploy(await machine.release({ model: 'the weights' }));
    const { live } = await machine.front.status();
    const pids = await processesOf(machine.state);
    const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8')));
    const [, , model = '', models = '', address] =
      lines.find((line) => line.includes('server.mjs'))?.split('\0') ?? [];
    expect(await readFile(model, 'utf8')).toBe('the weights');
    expect(model).toBe(join(models, 'model.bin'));
    expect((await stat(model)).mode & 0o222).toBe(0);
    expect(address).toBe(`127.0.0.1:${live?.port}`);
  });

  test('again: unchanged, proved by asking; another secret or a dead server: live again', async () => {
    const release = await machine.release({ secrets: ['API_KEY'] });
    const env = { ...process.env, API_KEY: 'first key' };
    expect(outcomeOf(await machine.deploy(release, { env }))).toEqual(['live', null]);
    const { pid } = JSON.parse((await machine.get('/')).body);
    const uv = () => Promise.reject(new Error('nothing is made'));
    expect(outcomeOf(await machine.deploy(release, { env, uv }))).toEqual(['unchanged', release]);
    expect(JSON.parse((await machine.get('/')).body).pid).toBe(pid);
    expect(outcomeOf(await machine.deploy(release, { env: { ...env, API_KEY: 'second key' } }))).toEqual([
      'live',
      release,
    ]);
    expect(JSON.parse((await machine.get('/env')).body).API_KEY).toBe('second key');
    // A reboot.
    process.kill((await machine.front.status()).pid, 'SIGTERM');
    await until(async () => (await machine.front.find()) === undefined);
    expect(outcomeOf(await machine.deploy(release, { env }))).toEqual(['live', null]);
  });

  test('two projects and environments share a machine', async () => {
    await machine.deploy(await machine.release());
    const port = await freePort();
    await machine.deploy(await machine.release({ environment: 'other', port }));
    expect((await machine.served()).environment).toBe('test');
    expect(await (await fetch(`http://127.0.0.1:${port}/.trainyard/release`)).json()).toMatchObject({
      environment: 'other',
    });
    expect(await readdir(join(machine.root, 'state', '.runtime'))).toHaveLength(1);
  });
});

describe('back', () => {
  test('previous walks back through what was live, without a store', async () => {
    const releases = [];
    for (const model of ['one', 'two', 'three']) {
      const release = await machine.release({ model });
      await machine.deploy(release);
      releases.push(release);
    }
    const [one, two, three] = releases;
    const store = new LayoutStore(join(machine.root, 'another'));
    expect(outcomeOf(await machine.deploy('previous', { ...HERE, store }))).toEqual(['live', three]);
    expect((await machine.served()).release).toBe(two);
    expect(outcomeOf(await machine.deploy('previous', { ...HERE, store }))).toEqual(['live', two]);
    expect((await machine.served()).release).toBe(one);
    await expect(machine.deploy('previous', { ...HERE, store })).rejects.toThrow(
      'the first release that was live here',
    );
    expect([...(await store.names('deployment-')).keys()]).toHaveLength(2);
    expect((await machine.served()).release).toBe(one);
  });

  test('a refused release is not in the way, and the bytes of the fourth are gone', async () => {
    const releases: Digest[] = [];
    for (const model of ['one', 'two', 'three', 'four']) {
      releases.push(await machine.release({ model }));
      await machine.deploy(releases.at(-1) ?? 'previous');
    }
    // What a deploy that was killed has left.
    await mkdir(join(machine.state, 'environments', 'abc.1-def.tmp'));
    await machine.deploy(await machine.release({ config: { MODE: 'dies' } }));
    const state = new LayoutStore(machine.state);
    const has = (model: string) => state.has(digestOf(Buffer.from(model)));
    expect(await Promise.all(['one', 'two', 'three', 'four'].map(has))).toEqual([false, true, true, true]);
    expect(await readdir(join(machine.state, 'releases'))).toHaveLength(1);
    expect(await readdir(join(machine.state, 'environments'))).toHaveLength(1);
    expect(outcomeOf(await machine.deploy('previous', HERE))).toEqual(['live', releases[3]]);
    expect((await machine.served()).release).toBe(releases[2]);
    // What has gone from the machine comes from the store again.
    expect(outcomeOf(await machine.deploy(releases[0] ?? 'previous'))).toEqual(['live', releases[2]]);
  });
});

describe('a release that fails', () => {
  const cases = [
    ['dies', { MODE: 'dies' }, /^the server ended with status 7 before it was ready$/],
    ['hangs', { MODE: 'hangs' }, /^the server was not ready within 1 s: GET \/ready last gave /],
    [
      'answers wrongly',
      { OFFSET: '0.01' },
      /^1 of 2 golden requests differ; the first is line 1: sum: expected 3, answered 3.01$/,
    ],
  ] as const;

  test.each(cases)('one that %s is refused, and the old one is proved', async (name, config, reason) => {
    const first = await machine.release();
    await machine.deploy(first);
    const golden = [sumOf([1, 2], 3), sumOf([1e5], 1e5)];
    const server = { readyTimeoutSeconds: name === 'hangs' ? 1 : 20 };
    const release = await machine.release({ config, golden, server });
    const { rollout, deployment: record } = await machine.deploy(release);
    expect(rollout).toMatchObject({
      outcome: 'refused',
      before: first,
      reason: expect.stringMatching(reason),
    });
    expect(record.config.checks.slice(-2)).toMatchObject([
      { name: 'release in public (the one before)', passed: true, detail: first.slice(7, 19) },
      { name: 'golden requests in public (the one before)', passed: true },
    ]);
    expect((await machine.served()).release).toBe(first);
    const log = await readBytes(machine.store, record.manifest.layers[0]?.digest ?? first);
    if (name === 'dies') expect(log.toString()).toContain('Traceback: no such layer');
    expect(await processesOf(machine.state)).toHaveLength(2);
  });

  test('the first one: nothing is left running', async () => {
    const { rollout } = await machine.deploy(await machine.release({ config: { MODE: 'dies' } }));
    expect(rollout).toMatchObject({ outcome: 'refused', before: null });
    await until(async () => (await processesOf(machine.root)).length === 0);
  });

  test('one that fails in public is taken back', async () => {
    const first = await machine.release();
    await machine.deploy(first);
    // The fourth request is its first one in public.
    const release = await machine.release({
      config: { MODE: 'tires' },
      golden: [1, 2, 3].map((n) => sumOf([n], n)),
    });
    const { rollout } = await machine.deploy(release);
    expect(rollout).toMatchObject({ outcome: 'rolled-back', before: first });
    expect(rollout.reason).toMatch(/^in public, golden request 1: expected status 200, answered 500/);
    expect((await machine.served()).release).toBe(first);
  });

  test('one that fails when the old one fails, too, is told as what it is', async () => {
    const first = await machine.release();
    const { parts } = await machine.deploy(first);
    await damage(new LayoutStore(machine.state).pathOf(digestOf(Buffer.from('weights'))));
    await machine.get('/die');
    await until(async () => (await machine.front.status()).live?.state === 'failed');
    const { rollout } = await machine.deploy(
      await machine.release({ model: 'other weights', config: { MODE: 'dies' } }),
    );
    expect(rollout).toMatchObject({ outcome: 'restore-failed', before: parts.release.digest });
    expect(rollout.checks.at(-1)).toMatchObject({ name: 'the one before', passed: false });
  });

  test('a cancelled one leaves the old one', async () => {
    const first = await machine.release();
    await machine.deploy(first);
    const control = new AbortController();
    const deploying = machine.deploy(await machine.release({ config: { MODE: 'hangs' } }), {
      signal: control.signal,
    });
    await until(async () => (await machine.front.status()).candidate !== null);
    control.abort(new Error('cancelled'));
    expect((await deploying).rollout).toMatchObject({
      outcome: 'refused',
      reason: 'cancelled',
      before: first,
    });
    expect(await processesOf(machine.state)).toHaveLength(2);
  });
});
