import { copyFile, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, jest, test } from '@jest/globals';
import { ensureFront, type FrontPlace } from '../../../src/deploy/process/launch.ts';
import { benches, isRunning, json, RELEASES, until } from '../../support/fronts.ts';
import { processesOf } from '../../support/processes.ts';
import { SERVER } from '../../support/server-file.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

const [ONE, TWO] = RELEASES;
const bench = benches();

const MAIN = join(import.meta.dirname, '../../support/front-main.ts');

const placeOf = (state: string): FrontPlace => ({
  state,
  name: 'toy',
  environment: 'test',
  env: process.env,
  command: async () => [process.execPath, MAIN],
});

describe('the process', () => {
  test('SIGTERM: what is in hand is answered, and nothing is left', async () => {
    const front = await bench();
    await front.golive(ONE, { env: { MODE: 'daemon' } });
    await front.start(TWO);
    const { pid } = await front.client.status();
    const slow = front.get('/slow?ms=800');
    await sleep(100);
    process.kill(pid, 'SIGTERM');
    expect((await slow).status).toBe(200);
    await until(async () => (await processesOf(front.state)).length === 0);
    expect(await readdir(front.state)).not.toContain('front.sock');
    await expect(front.get('/')).rejects.toThrow('ECONNREFUSED');
  });

  test('SIGKILL: the next front ends the servers that are left, daemons included', async () => {
    const front = await bench();
    await front.golive(ONE, { env: { MODE: 'daemon' } });
    const daemon = Number(/daemon (\d+)/.exec(await readFile(join(front.state, 'server.log'), 'utf8'))?.[1]);
    const { pid } = await front.client.status();
    process.kill(pid, 'SIGKILL');
    await until(async () => (await front.client.find()) === undefined);
    expect(await isRunning(daemon)).toBe(true);
    await ensureFront(placeOf(front.state));
    expect(await processesOf(front.state)).toHaveLength(1);
    expect(await isRunning(daemon)).toBe(false);
    await front.golive(TWO);
  });

  test('that cannot begin says why', async () => {
    const front = await bench();
    process.kill((await front.client.status()).pid, 'SIGTERM');
    await until(async () => (await processesOf(front.state)).length === 0);
    await mkdir(join(front.state, 'front.sock'));
    await expect(ensureFront(placeOf(front.state))).rejects.toThrow(
      /^the front did not start \(.*front\.out\): .*front\.sock/s,
    );
  });

  test('that is too slow to begin is not left behind', async () => {
    const front = await bench();
    process.kill((await front.client.status()).pid, 'SIGTERM');
    await until(async () => (await processesOf(front.state)).length === 0);
    const code = 'console.log("it waits"); setTimeout(() => {}, 60_000)';
    const command = async () => [process.execPath, '-e', code];
    const place = { ...placeOf(front.state), command, limitSeconds: 2 };
    await expect(ensureFront(place)).rejects.toThrow(/^the front did not start \(.*\): it waits$/);
    await until(async () => (await processesOf(front.state)).length === 0);
  });

  test('its environment has nothing of the job, its session is its own, and only its user can tell it something', async () => {
    process.env.RUNNER_TRACKING_ID = 'github_123';
    const front = await bench();
    delete process.env.RUNNER_TRACKING_ID;
    const { pid } = await front.client.status();
    const names = (await readFile(`/proc/${pid}/environ`, 'utf8'))
      .split('\0')
      .map((entry) => entry.split('=')[0]);
    for (const name of names) expect(name).toMatch(/^(PATH|HOME|LANG|LC_[A-Z]+|TZ|)$/);
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ');
    expect(fields?.[3]).toBe(String(pid));
    expect((await stat(join(front.state, 'front.sock'))).mode & 0o777).toBe(0o600);
  });

  test('secrets reach the server, and are nowhere else', async () => {
    const front = await bench();
    const secret = 'correct-horse-battery-staple';
    await front.golive(ONE, { secrets: { API_KEY: secret } });
    expect(await json(front.get('/env'))).toMatchObject({ API_KEY: secret });
    for (const file of await readdir(front.state, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue;
      expect(await readFile(join(file.parentPath, file.name), 'utf8')).not.toContain(secret);
    }
    for (const pid of await processesOf(front.state))
      expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).not.toContain(secret);
    const before = await front.client.status();
    const same = await front.start(ONE, { secrets: { API_KEY: secret } });
    expect(same.candidate?.secrets).toBe(before.live?.secrets);
    const other = await front.start(ONE, { secrets: { API_KEY: 'another' } });
    expect(other.candidate?.secrets).not.toBe(before.live?.secrets);
  });

  test('a state folder whose path is longer than a socket may have', async () => {
    const front = await bench(`${'d'.repeat(100)}/${'e'.repeat(100)}/state`);
    await front.golive(ONE);
    expect((await front.get('/')).status).toBe(200);
  });

  test('logs say what happened and stay bounded', async () => {
    const front = await bench();
    const loud = join(front.state, 'loud.mjs');
    await copyFile(SERVER, loud);
    const text = await readFile(SERVER, 'utf8');
    await writeFile(loud, `${text}\nfor (let i = 0; i < 8000; i++) console.log('x'.repeat(2000));\n`);
    await front.golive(ONE, { command: [process.execPath, loud], files: [] });
    await until(async () => (await readdir(front.state)).includes('server.log.1'));
    await sleep(1000);
    const size = async (name: string) => (await stat(join(front.state, name))).size;
    expect((await size('server.log')) + (await size('server.log.1'))).toBeLessThan(10.1 * 2 ** 20);
    expect(await readFile(join(front.state, 'front.log'), 'utf8')).toMatch(
      /up, process \d+\n.* started as a candidate\n.* up\n/,
    );
  });
});
