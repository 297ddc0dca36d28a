import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { MachineError, UserError } from '../../src/lib/errors.ts';
import { Web, type WebOptions, type WebRequest } from '../../src/lib/web.ts';
import { bytesOf, type WebAnswer } from '../../src/lib/web-answer.ts';
import { failureOf } from '../../src/lib/web-failures.ts';
import { recordingLog } from '../support/log.ts';

type Answer = (request: IncomingMessage, response: ServerResponse, count: number) => void;

let ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends) await end();
  ends = [];
});

/** A server that answers as the test says; `count` is how often it was asked. */
async function serve(answer: Answer): Promise<{ url: URL; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => answer(request, response, requests.push(request)));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close().closeAllConnections());
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : 0;
  return { url: new URL(`http://127.0.0.1:${port}/thing`), requests };
}

function client(changes: Partial<WebOptions> = {}) {
  const log = recordingLog();
  const waited: number[] = [];
  const signal = new AbortController().signal;
  const sleep = async (time: number) => void waited.push(time);
  return { web: new Web({ log, signal, env: {}, sleep, ...changes }), log, waited };
}

const text = async (answer: WebAnswer): Promise<string> => (await bytesOf(answer, 1000)).toString();
const get = (url: URL): WebRequest => ({ method: 'GET', url });

describe('a request that fails for now', () => {
  test.each([408, 425, 429, 500, 502, 503, 504])('with %d is tried again', async (status) => {
    const { url } = await serve((_, response, count) =>
      response.writeHead(count < 3 ? status : 200).end('here'),
    );
    const { web, log, waited } = client();
    expect(await web.ask('the thing', get(url), text)).toBe('here');
    expect(waited.length).toBe(2);
    expect(log.warnings[0]).toMatch(
      new RegExp(
        `^the thing failed \\(GET ${url} was answered with ${status}.*\\); attempt 2 of 5 in [\\d.]+ s$`,
      ),
    );
  });

  test('because its connection ends is tried again, before an answer and in the middle of one', async () => {
    const { url } = await serve((request, response, count) => {
      if (count === 1) request.socket.destroy();
      else if (count === 2) request.socket.resetAndDestroy();
      else if (count === 3)
        response.writeHead(200, { 'content-length': 100 }).write('he', () => request.socket.destroy());
      else response.end('here');
    });
    const { web, waited } = client();
    expect(await web.ask('the thing', get(url), text)).toBe('here');
    expect(waited.length).toBe(3);
  });

  test('is tried five times, a little later each time, and then told with what to do', async () => {
    const { url, requests } = await serve((_, response) => response.writeHead(503).end('come back later'));
    const { web, waited } = client();
    const asked = web.ask('the thing', get(url), text);
    await expect(asked).rejects.toThrow(MachineError);
    await expect(asked).rejects.toThrow(
      `the thing does not succeed: GET ${url} was answered with 503: come back later. Look at that service and the way to it, and run this again`,
    );
    expect(requests.length).toBe(5);
    for (const [n, time] of waited.entries()) {
      expect(time).toBeGreaterThanOrEqual(500 * 2 ** n);
      expect(time).toBeLessThanOrEqual(1500 * 2 ** n);
    }
    expect(waited.length).toBe(4);
  });

  test('to no server at all is told with its name', async () => {
    const asked = client().web.ask('the thing', get(new URL('http://127.0.0.1:9/')), text);
    await expect(asked).rejects.toThrow(/the thing does not succeed: .*ECONNREFUSED 127\.0\.0\.1:9/);
  });
});

test.each([200, 400, 401, 403, 404, 409, 416])('%d is an answer', async (status) => {
  const { url, requests } = await serve((_, response) => response.writeHead(status).end());
  expect(await client().web.ask('it', get(url), async (answer) => answer.status)).toBe(status);
  expect(requests.length).toBe(1);
});

describe('Retry-After', () => {
  const busy = (after: string) =>
    serve((_, response, count) =>
      response.writeHead(count === 1 ? 429 : 200, { 'retry-after': after }).end('x'),
    );

  test('in seconds is waited for', async () => {
    const { url } = await busy('7');
    const { web, waited } = client();
    await web.ask('it', get(url), text);
    expect(waited).toEqual([7000]);
  });

  test('as a date is waited for', async () => {
    const { url } = await busy(new Date(Date.now() + 20_000).toUTCString());
    const { web, waited } = client();
    await web.ask('it', get(url), text);
    expect(waited[0]).toBeGreaterThan(17_000);
    expect(waited[0]).toBeLessThanOrEqual(20_000);
  });

  test.each(['0', 'Thu, 01 Jan 1970 00:00:00 GMT', 'soon', ''])(
    '%j is waited for as if there were none',
    async (after) => {
      const { url } = await busy(after);
      const { web, waited } = client();
      await web.ask('it', get(url), text);
      expect(waited[0]).toBeLessThanOrEqual(1500);
    },
  );

  test('of more than five minutes is told instead', async () => {
    const { url, requests } = await busy('301');
    const { web, waited } = client();
    await expect(web.ask('it', get(url), text)).rejects.toThrow('It asks to wait for 301 s.');
    expect([requests.length, waited.length]).toEqual([1, 0]);
  });
});

describe('a cancel', () => {
  test.each([
    [
      'the wait between attempts',
      (_: IncomingMessage, response: ServerResponse) =>
        response.writeHead(503, { 'retry-after': '200' }).end(),
    ],
    ['the wait for an answer', () => {}],
    ['an answer', (_: IncomingMessage, response: ServerResponse) => void response.writeHead(200).write('a')],
  ])('ends %s at once, with its own reason', async (_, answer) => {
    const { url } = await serve(answer);
    const controller = new AbortController();
    const reason = new Error('the job was cancelled');
    const web = new Web({ log: recordingLog(), signal: controller.signal, env: {} });
    const begin = performance.now();
    setTimeout(() => controller.abort(reason), 100);
    await expect(web.ask('it', get(url), text)).rejects.toBe(reason);
    expect(performance.now() - begin).toBeLessThan(2000);
  });
});

describe('a redirect', () => {
  test('is followed with method and body, also to another host', async () => {
    const there = await serve((request, response) => request.pipe(response));
    const { url } = await serve((request, response) => {
      request.resume();
      response.writeHead(307, { location: `${there.url}` }).end('moved');
    });
    const body = async () => Buffer.from('a body');
    expect(await client().web.ask('it', { method: 'PUT', url, body }, text)).toBe('a body');
    expect(there.requests[0]?.method).toBe('PUT');
  });

  test('with 303 is a GET', async () => {
    const { url, requests } = await serve((request, response, count) => {
      request.resume();
      response.writeHead(count === 1 ? 303 : 200, { location: '/other' }).end('x');
    });
    await client().web.ask('it', { method: 'POST', url, body: async () => Buffer.from('x') }, text);
    expect(requests.map(({ method, url: path }) => `${method} ${path}`)).toEqual([
      'POST /thing',
      'GET /other',
    ]);
  });

  test('takes credentials to another path, and not to another port', async () => {
    const there = await serve((_, response) => response.end('x'));
    const { url, requests } = await serve((_, response, count) =>
      response.writeHead(302, { location: count === 1 ? '/other' : `${there.url}` }).end(),
    );
    const headers = { Authorization: 'Basic x', cookie: 'c', accept: 'a' };
    await client().web.ask('it', { ...get(url), headers }, text);
    expect(requests.map((one) => one.headers.authorization)).toEqual(['Basic x', 'Basic x']);
    const [got] = there.requests.map((one) => one.headers);
    expect([got?.authorization, got?.cookie, got?.accept]).toEqual([undefined, undefined, 'a']);
  });

  test('that comes again and again is told', async () => {
    const { url, requests } = await serve((_, response) =>
      response.writeHead(302, { location: '/thing' }).end(),
    );
    await expect(client().web.ask('it', get(url), text)).rejects.toThrow(
      `GET ${url} redirects more than 5 times`,
    );
    expect(requests.length).toBe(6);
  });

  test('away from https is refused', () => {
    const follow = () => client().web.redirect(new URL('https://a.example/x'), {}, 'http://a.example/y');
    expect(follow).toThrow(UserError);
    expect(follow).toThrow('a.example redirects to http://a.example, away from https; this is not followed');
  });
});

test('nothing on the way may pack what is compared with a digest', async () => {
  const { url, requests } = await serve((_, response) => response.end('x'));
  await client().web.ask('it', get(url), text);
  expect(requests[0]?.headers['accept-encoding']).toBe('identity');
});

test('an answer that should be small is not read without end', async () => {
  const { url } = await serve((_, response) => {
    const more = () => response.write('x'.repeat(1000), () => response.destroyed || more());
    more();
  });
  await expect(client().web.ask('it', get(url), text)).rejects.toThrow(
    `${url}: the answer is larger than 1000 bytes`,
  );
});

describe('what a person has to mend is said:', () => {
  const url = new URL('https://r.example:8443/v2/');
  test.each([
    ['SELF_SIGNED_CERT_IN_CHAIN', /the certificate of r\.example:8443 is not trusted.*NODE_EXTRA_CA_CERTS/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /NODE_EXTRA_CA_CERTS/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /NODE_EXTRA_CA_CERTS/],
    ['CERT_HAS_EXPIRED', /is not trusted \(CERT_HAS_EXPIRED\)/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /is not trusted/],
    ['EPROTO', /r\.example:8443 does not speak TLS there.*the input plain-http/],
    ['ERR_SSL_WRONG_VERSION_NUMBER', /does not speak TLS/],
  ])('%s', (code, message) => {
    const failure = failureOf(Object.assign(new Error(code), { code }), url);
    expect(failure).toBeInstanceOf(UserError);
    expect(failure).toHaveProperty('message', expect.stringMatching(message));
  });
});
