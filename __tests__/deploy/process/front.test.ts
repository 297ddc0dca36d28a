import { once } from 'node:events';
import { copyFile, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ensureFront } from '../../../src/deploy/process/launch.ts';
import { freePort } from '../../../src/deploy/process/ports.ts';
import { digestOfFile } from '../../../src/lib/digest.ts';
import { type Bench, isRunning, RELEASES, SERVER, startBench, until } from '../../support/fronts.ts';
import { processesOf } from '../../support/processes.ts';

const [ONE, TWO] = RELEASES;
const open: Bench[] = [];

async function bench(folder?: string): Promise<Bench> {
  const made = await startBench(folder);
  open.push(made);
  return made;
}

afterEach(async () => {
  for (const made of open.splice(0)) await made.close();
});

const json = async (answer: Promise<{ body: string }>) => JSON.parse((await answer).body);

describe('forwarding', () => {
  test('nothing answers before the first switch, then the release is named in every answer', async () => {
    const front = await bench();
    expect((await front.start(ONE)).candidate?.state).toBe('up');
    const early = await front.get('/');
    expect([early.status, early.headers['retry-after']]).toEqual([503, '1']);
    await front.client.tell('switch');
    await front.client.tell('commit');
    const answer = await front.get('/');
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body)).toMatchObject({ release: ONE, forwarded: '127.0.0.1' });
    expect(answer.headers['x-trainyard-release']).toBe(ONE);
    await front.client.note(TWO);
    expect(await json(front.get('/.trainyard/release'))).toEqual({
      name: 'toy',
      environment: 'test',
      release: ONE,
      package: expect.any(String),
      run: expect.any(String),
      deployment: TWO,
      state: 'up',
      since: expect.stringMatching(/^\d{4}-.*Z$/),
      restarts: 0,
    });
  });

  test('a request that takes seconds, a large body, and a WebSocket', async () => {
    const front = await bench();
    await front.golive(ONE);
    expect((await front.get('/slow?ms=2500')).status).toBe(200);
    const numbers = Array.from({ length: 500_000 }, () => 1);
    const body = JSON.stringify({ numbers });
    expect(await json(front.get('/sum', { method: 'POST', body }))).toMatchObject({ sum: 500_000 });
    const socket = connect(front.port, '127.0.0.1');
    socket.write('GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n');
    const [head] = await once(socket, 'data');
    expect(String(head)).toMatch(/^HTTP\/1.1 101/);
    socket.write('hello');
    expect(String((await once(socket, 'data'))[0])).toBe(`${ONE} hello`);
    socket.destroy();
  });
});

describe('switching', () => {
  test('no request fails through start, switch, commit and revert', async () => {
    const front = await bench();
    await front.golive(ONE);
    const seen: string[] = [];
    const failures: unknown[] = [];
    const asking = new AbortController();
    const client = async (): Promise<void> => {
      while (!asking.signal.aborted) {
        const answer = await front.get('/slow?ms=15').catch((error: unknown) => error);
        if (answer instanceof Object && 'status' in answer && answer.status === 200) {
          seen.push(JSON.parse(String(Reflect.get(answer, 'body'))).release);
        } else failures.push(answer);
      }
    };
    const clients = Array.from({ length: 5 }, client);
    await front.start(TWO);
    await front.client.tell('switch');
    await sleep(300);
    await front.client.tell('revert');
    await front.client.whenRetired();
    await sleep(200);
    await front.golive(TWO);
    await sleep(200);
    asking.abort();
    await Promise.all(clients);
    expect(failures).toEqual([]);
    expect(seen.length).toBeGreaterThan(100);
    expect(seen[0]).toBe(ONE);
    expect(seen.at(-1)).toBe(TWO);
  });

  test('a request in flight is answered by the old server, which is ended after it', async () => {
    const front = await bench();
    await front.golive(ONE);
    const { pid } = await json(front.get('/'));
    const slow = json(front.get('/slow?ms=1500'));
    await front.start(TWO);
    await front.client.tell('switch');
    await front.client.tell('commit');
    expect((await front.client.status()).retiring).toBe(1);
    expect((await json(front.get('/'))).release).toBe(TWO);
    expect(await slow).toEqual({ release: ONE, pid });
    await front.client.whenRetired();
    expect(await processesOf(front.state)).not.toContain(pid);
  });

  test('a deploy that was cut off is undone by the next one, before the switch or after it', async () => {
    const front = await bench();
    await front.golive(ONE);
    const first = await front.start(TWO, { env: { MODE: 'daemon' } });
    expect(first.candidate?.release).toBe(TWO);
    await front.start(TWO);
    await front.client.whenRetired();
    await front.client.tell('switch');
    const status = await front.start(TWO);
    expect([status.live?.release, status.candidate?.release]).toEqual([ONE, TWO]);
    expect(status).not.toHaveProperty('previous');
    await front.client.tell('abandon');
    await front.client.whenRetired();
    expect((await json(front.get('/'))).release).toBe(ONE);
    // The front and the one server that is left.
    expect(await processesOf(front.state)).toHaveLength(2);
  });

  test('another port is open from the start of the candidate, and the old one until the commit', async () => {
    const front = await bench();
    await front.golive(ONE);
    const port = await freePort();
    await front.start(TWO, { listen: { host: '127.0.0.1', port } });
    await front.client.tell('switch');
    const other = `http://127.0.0.1:${port}/`;
    expect((await fetch(other)).headers.get('x-trainyard-release')).toBe(TWO);
    expect((await front.get('/')).status).toBe(200);
    await front.client.tell('commit');
    await until(() =>
      front.get('/').then(
        () => false,
        () => true,
      ),
    );
    expect((await fetch(other)).status).toBe(200);
  });

  test('verbs at the wrong time change nothing', async () => {
    const front = await bench();
    await front.golive(ONE);
    await expect(front.client.tell('switch')).rejects.toThrow('there is no candidate that is up');
    await expect(front.client.tell('commit')).rejects.toThrow('no switch to commit');
    await expect(front.client.tell('revert')).rejects.toThrow('no switch to take back');
    await front.client.tell('abandon');
    expect((await front.get('/')).status).toBe(200);
  });
});

describe('a server that fails', () => {
  test('is started again when it dies, each time after a longer wait', async () => {
    const front = await bench();
    await front.golive(ONE);
    const { pid } = await json(front.get('/'));
    const waits: number[] = [];
    for (const restarts of [1, 2]) {
      await front.get('/die').catch(() => undefined);
      const began = Date.now();
      await until(async () => (await front.client.status()).live?.restarts === restarts);
      waits.push(Date.now() - began);
      await until(async () => (await front.client.status()).live?.state === 'up');
    }
    expect(waits[0]).toBeGreaterThan(400);
    expect(waits[1]).toBeGreaterThan(900);
    const { live } = await front.client.status();
    expect(live).toMatchObject({ problem: 'the server ended with status 3', restarts: 2 });
    expect((await json(front.get('/'))).pid).not.toBe(pid);
    expect(await json(front.get('/.trainyard/release'))).toMatchObject({ restarts: 2 });
  });

  test('says 502 to the request that it broke off, and 503 while it is down', async () => {
    const front = await bench();
    await front.golive(ONE);
    expect((await front.get('/die')).status).toBe(502);
    await until(async () => (await front.get('/')).status === 503);
  });

  test('before it is ready: its last lines are told, without secrets', async () => {
    const front = await bench();
    await front.golive(ONE);
    const status = await front.start(TWO, { env: { MODE: 'dies' }, secrets: { API_KEY: 'hunter22' } });
    expect(status.candidate).toMatchObject({
      state: 'failed',
      problem: 'the server ended with status 7 before it was ready',
      restarts: 0,
    });
    expect(status.candidate?.lines).toEqual([
      `server of ${TWO} starts with API_KEY ***`,
      'Traceback: no such layer',
    ]);
    expect((await json(front.get('/'))).release).toBe(ONE);
  });

  test('is ended when it is not ready in time', async () => {
    const front = await bench();
    const status = await front.start(ONE, { env: { MODE: 'hangs' }, readyTimeoutSeconds: 1 });
    expect(status.candidate?.problem).toMatch(
      /not ready within 1 s: GET \/ready last gave .*no answer within/,
    );
    expect(await processesOf(front.state)).toHaveLength(1);
  });

  test('is not started when its command is not there, or its port is held', async () => {
    const front = await bench();
    expect((await front.start(ONE, { command: ['no-such-program'] })).candidate?.problem).toMatch(
      /no-such-program could not be started/,
    );
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await front.golive(TWO);
    await expect(front.start(ONE, { listen: { host: '127.0.0.1', port } })).rejects.toThrow(
      `port ${port} on 127.0.0.1 is held by another program`,
    );
    expect((await json(front.get('/'))).release).toBe(TWO);
    other.close();
  });

  test('is not started when a file is not what the release says, at the first start or at any later one', async () => {
    const front = await bench();
    const model = join(front.state, 'model.bin');
    await writeFile(model, 'weights');
    const files = [{ path: model, ...(await digestOfFile(model)) }];
    await front.golive(ONE, { files });
    await writeFile(model, 'forged!');
    const status = await front.start(TWO, { files });
    expect(status.candidate).toMatchObject({ state: 'failed', problem: expect.stringContaining(model) });
    expect(status.candidate?.problem).toContain('the bytes differ from their digest');
    expect((await json(front.get('/'))).release).toBe(ONE);
    await front.get('/die');
    await until(async () => (await front.client.status()).live?.state === 'failed');
    expect((await front.get('/')).status).toBe(503);
    expect(await json(front.get('/.trainyard/release'))).toMatchObject({ release: ONE, state: 'failed' });
  });
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
    const main = join(import.meta.dirname, '../../support/front-main.ts');
    await ensureFront({
      state: front.state,
      name: 'toy',
      environment: 'test',
      env: process.env,
      command: async () => [process.execPath, main],
    });
    expect(await processesOf(front.state)).toHaveLength(1);
    expect(await isRunning(daemon)).toBe(false);
    await front.golive(TWO);
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
