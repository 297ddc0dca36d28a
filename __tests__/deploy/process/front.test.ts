import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, jest, test } from '@jest/globals';
import { FrontClient } from '../../../src/deploy/process/front-client.ts';
import { freePort } from '../../../src/deploy/process/ports.ts';
import { benches, json, RELEASES, until } from '../../support/fronts.ts';
import { processesOf } from '../../support/processes.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

const [ONE, TWO] = RELEASES;
const bench = benches();

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

  test('that a client closes its connection is not the business of the server', async () => {
    const front = await bench();
    await front.golive(ONE, { env: { MODE: 'closes' } });
    const asked = async (headers: Record<string, string>) => (await front.get('/', { headers })).status;
    const chunked = { 'transfer-encoding': 'chunked' };
    for (let count = 0; count < 5; count += 1) {
      expect(await asked({ connection: 'close' })).toBe(200);
      expect(await asked(chunked)).toBe(200);
    }
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

describe('a request that offers another protocol', () => {
  const offer = 'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n';
  const body = JSON.stringify({ numbers: [1, 2] });
  const post = `POST /sum HTTP/1.1\r\nHost: x\r\n${offer}`;
  const whole = `${post}Content-Length: ${body.length}\r\n\r\n`;
  const chunked = `${post}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n`;
  const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const cases: [string, string[], RegExp][] = [
    ['a GET', [`GET /?a=b HTTP/1.1\r\nHost: x\r\n${offer}\r\n`], /"pid":\d+/],
    ['a POST', [whole + body], /"sum":3,/],
    ['a POST in pieces', [whole, body], /"sum":3,/],
    ['a POST in chunks that waits for leave', [chunked, chunk], /100 Continue[\s\S]+"sum":3,/],
    ['a POST that offers a WebSocket', [whole.replace('h2c', 'websocket') + body], /"sum":3,/],
  ];

  test.each(cases)('is answered without it: %s', async (_, pieces, expected) => {
    const front = await bench();
    await front.golive(ONE);
    const socket = connect(front.port, '127.0.0.1');
    let said = '';
    socket.setEncoding('utf8').on('data', (text) => {
      said += text;
    });
    for (const piece of pieces) {
      socket.write(piece);
      await sleep(200);
    }
    await until(async () => expected.test(said));
    // A body in chunks had the connection alone; else it is one like any other.
    if (/^connection: close/im.test(said)) return;
    said = '';
    socket.write('GET /again HTTP/1.1\r\nHost: x\r\n\r\n');
    await until(async () => said.includes(ONE));
    expect(said).toMatch(/^HTTP\/1.1 200 OK/);
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
    for (const verb of ['commit', 'revert', 'abandon'] as const) await front.client.tell(verb);
    expect((await front.get('/')).status).toBe(200);
  });

  test('a deploy that was taken over can change nothing any more', async () => {
    const front = await bench();
    await front.golive(ONE);
    await new FrontClient(front.state, 2).tell('abandon');
    const old = new FrontClient(front.state, 1);
    await expect(old.tell('revert')).rejects.toThrow(
      'a later deploy has taken over (token 2, this one has 1)',
    );
    await expect(old.start(await front.spec(TWO))).rejects.toThrow('a later deploy has taken over');
    expect(await front.client.status()).toMatchObject({ live: { release: ONE }, candidate: null });
  });
});
