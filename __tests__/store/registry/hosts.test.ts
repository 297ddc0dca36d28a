/** Whom the client speaks to, and who gets the credential: the registry that it is for, and nobody else. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { UserError } from '../../../src/lib/errors.ts';
import { copyBlob } from '../../../src/store/copy.ts';
import { readBytes } from '../../../src/store/records.ts';
import { credentials, openOn } from '../../support/registries.ts';
import { type Registry, startRegistry } from '../../support/registry.ts';
import { type Between, startBetween } from '../../support/registry-between.ts';

const ROBOT = { username: 'robot', password: 'secret' };
const access = { kind: 'bearer', users: { robot: { password: 'secret', identity: 'idtok' } } } as const;
const BYTES = Buffer.from('some bytes');

let folder: string;
let ends: (() => unknown)[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hosts-'));
  ends = [() => rm(folder, { recursive: true, force: true })];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

async function start(options: Parameters<typeof startRegistry>[0] = { access }): Promise<Registry> {
  const registry = await startRegistry(options);
  ends.push(() => registry.close());
  return registry;
}

async function between(...[registry, changes]: Parameters<typeof startBetween>): Promise<Between> {
  const started = await startBetween(registry, changes);
  ends.push(() => started.close());
  return started;
}

const open = ({ host }: { host: string }, entry: object = ROBOT) =>
  openOn({ host }, folder, { env: credentials(host, entry) }).store;

/** A host that is not the registry: writes down what it gets, and answers the same to all. */
async function stranger(status: number, headers: Record<string, string> = {}, body = '') {
  const got: { method: string; path: string; authorization: string | undefined; body: string }[] = [];
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url: path = '' } = request;
    got.push({
      method,
      path,
      authorization: request.headers.authorization,
      body: Buffer.concat(chunks).toString(),
    });
    const own = Object.entries(headers).map(([name, value]) => [name, value.replaceAll('HOST', host)]);
    response.writeHead(status, Object.fromEntries(own)).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ends.push(() => server.close().closeAllConnections());
  const address = server.address();
  const host = `127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`;
  return { host, got };
}

describe('the credential stays at home', () => {
  test.each([302, 307] as const)('when a blob is at another host (%d)', async (status) => {
    const registry = await start({ access, redirect: { status } });
    const store = open(registry);
    const { digest } = await store.write({ bytes: BYTES });
    expect(await readBytes(store, digest)).toEqual(BYTES);
    expect(await store.peek(digest, 5, 3)).toEqual(BYTES.subarray(5, 8));
    const there = registry.requests.filter(({ operation }) => operation === 'getRedirected');
    expect(there.map(({ headers }) => headers.authorization)).toEqual([undefined, undefined]);
    const here = registry.requests.filter(({ operation }) => operation === 'getBlob');
    expect(here.map(({ headers }) => headers.authorization)).toEqual(['Bearer', 'Bearer']);
  });

  test('when a large blob, which is received in a thread, is at another host', async () => {
    const registry = await start({ access, redirect: {} });
    const store = open(registry);
    const blob = await store.write({ bytes: Buffer.alloc(9_000_000, 3) });
    expect(await store.fetch(blob, join(folder, 'blob'))).toBe(true);
    const there = registry.requests.filter(({ operation }) => operation === 'getRedirected');
    expect(there.map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });

  test('when another host asks for credentials itself, and says where to send them', async () => {
    const evil = await stranger(401, { 'www-authenticate': 'Bearer realm="http://HOST/token",service="x"' });
    const registry = await start();
    const { host } = await between(registry, {
      instead: ({ method, path }) =>
        method === 'GET' && path.includes('/blobs/sha256')
          ? { status: 307, headers: { location: `http://${evil.host}/blob` } }
          : undefined,
    });
    const store = open({ host });
    const { digest } = await store.write({ bytes: BYTES });
    await expect(readBytes(store, digest)).rejects.toThrow(/answered 401/);
    expect(evil.got).toEqual([{ method: 'GET', path: '/blob', authorization: undefined, body: '' }]);
    // The registry is still believed, and only there.
    expect(await store.has(digest)).toBe(true);
  });

  test('when an upload is to go to another host', async () => {
    const storage = await stranger(201);
    const registry = await start();
    const { host } = await between(registry, {
      after: ({ headers }, { method }) =>
        method === 'POST'
          ? { headers: { ...headers, location: `http://${storage.host}/put?signature=a%2Bb~c` } }
          : undefined,
    });
    const { digest } = await open({ host }).write({ bytes: BYTES });
    expect(storage.got).toEqual([
      {
        method: 'PUT',
        path: `/put?signature=a%2Bb~c&digest=${encodeURIComponent(digest)}`,
        authorization: undefined,
        body: BYTES.toString(),
      },
    ]);
  });

  test('when the next page of a list is said to be at another host', async () => {
    const evil = await stranger(200, {}, '{"tags": []}');
    const registry = await start();
    const { host, asked } = await between(registry, {
      instead: ({ path }) =>
        path.includes('/tags/list') && !path.includes('page=2')
          ? {
              headers: { link: `<http://${evil.host}/v2/acme/digits/tags/list?page=2>; rel="next"` },
              body: Buffer.from('{"tags": ["a"]}'),
            }
          : path.includes('page=2')
            ? { body: Buffer.from('{"tags": null}') }
            : undefined,
    });
    expect(await open({ host }).names('')).toEqual(new Map());
    expect(evil.got).toEqual([]);
    expect(asked.filter(({ path }) => path.includes('page=2')).length).toBe(1);
  });

  test('when the place of tokens sends an identity token on to another host', async () => {
    const evil = await stranger(200, {}, '{"token": "x"}');
    const registry = await start();
    const { host } = await between(registry, {
      instead: ({ path }) =>
        path === '/token' ? { status: 307, headers: { location: `http://${evil.host}/token` } } : undefined,
    });
    const write = open({ host }, { identitytoken: 'idtok' }).write({ bytes: BYTES });
    await expect(write).rejects.toThrow(/gives no token .* answered 307/);
    expect(evil.got).toEqual([]);
  });
});

describe('the address of', () => {
  const clientOf = (host: string) => openOn({ host }, folder).store.client;

  test.each(['docker.io', 'index.docker.io', 'registry-1.docker.io'])(
    'Docker Hub is another than %s',
    (host) => {
      expect(clientOf(host).base.href).toBe('https://registry-1.docker.io/v2/acme/digits/');
      expect(clientOf(host).name).toBe(`${host}/acme/digits`);
    },
  );

  test.each([
    ['http://r.example:8080/up?state=a%2Bb', 'https://r.example/up?state=a%2Bb'],
    ['https://r.example:443/up', 'https://r.example/up'],
    ['/up', 'https://r.example/up'],
    ['http://other.example/up', 'http://other.example/up'],
  ])('an upload stays with TLS where the registry does not know that it has it: %s', (location, expected) => {
    const client = clientOf('r.example');
    const answer = { status: 202, headers: { location }, url: client.base, body: Readable.from([]) };
    expect(client.locationOf('the upload', answer).href).toBe(expected);
  });
});

test('what goes from one registry to another takes no credential along, and breaks at either end', async () => {
  const [one, two] = [
    await start({ access: { kind: 'basic', users: { one: { password: 'first' } } } }),
    await start({ access: { kind: 'basic', users: { two: { password: 'second' } } } }),
  ];
  const auths = {
    [one.host]: { username: 'one', password: 'first' },
    [two.host]: { username: 'two', password: 'second' },
  };
  const env = { DOCKER_AUTH_CONFIG: JSON.stringify({ auths }) };
  const [from, to] = [openOn(one, folder, { env }).store, openOn(two, folder, { env }).store];
  const bytes = randomBytes(5_000_000);
  const blob = await from.write({ bytes });
  one.faults.add({ on: 'getBlob', times: 2, what: { cutResponse: 1_500_000 } });
  two.faults.add({ on: 'putUpload', what: { cutRequest: 2_000_000 } });
  await copyBlob(from, to, blob);
  expect((await readBytes(to, blob.digest)).equals(bytes)).toBe(true);
});

describe('without TLS', () => {
  const plain = (place: Parameters<typeof openOn>[2]) =>
    openOn({ host: 'registry.invalid:5000' }, folder, place);

  test('another host than this machine is not spoken to, unless plain http was asked for with it', async () => {
    const env = { http_proxy: 'http://127.0.0.1:9', https_proxy: 'http://127.0.0.1:9' };
    const tls = plain({ env });
    await expect(tls.store.resolve('x')).rejects.toThrow('ECONNREFUSED');
    const { store, waited } = plain({ env, plainHttp: ['registry.invalid:5000'] });
    await expect(store.resolve('x')).rejects.toThrow('ECONNREFUSED');
    expect(waited.length).toBe(4);
    expect(store.client.base.protocol).toBe('http:');
    const others = ['registry.invalid', 'registry.invalid:500', 'other.invalid:5000'];
    expect(plain({ env, plainHttp: others }).store.client.base.protocol).toBe('https:');
  });

  test.each([
    ['a blob', '/blobs/sha256', 'location'],
    ['the place of tokens', '/v2/', 'www-authenticate'],
  ])('%s is not taken from another host', async (_, path, header) => {
    const registry = await start({});
    const answer = {
      location: { status: 307, headers: { location: 'http://storage.invalid/blob' } },
      'www-authenticate': {
        status: 401,
        headers: { 'www-authenticate': 'Bearer realm="http://auth.invalid/token"' },
      },
    }[header];
    const store = open(registry);
    const { digest } = await store.write({ bytes: BYTES });
    const { host } = await between(registry, {
      instead: (asked) => (asked.method === 'GET' && asked.path.includes(path) ? answer : undefined),
    });
    const read = readBytes(open({ host }), digest);
    await expect(read).rejects.toThrow(UserError);
    await expect(read).rejects.toThrow(
      /\.invalid\/(blob|token) is not https, and what goes there could be read.* Use https, or name \w+\.invalid in the input plain-http$/,
    );
  });

  test('a registry that speaks no TLS is named, and what to do', async () => {
    const registry = await start({});
    const { host } = new URL(`http://${registry.host}`);
    const web = openOn({ host }, folder).store.client.web;
    const ask = web.once({ method: 'GET', url: new URL(`https://${host}/v2/`) });
    await expect(ask).rejects.toThrow(UserError);
    await expect(ask).rejects.toThrow(`${host} does not speak TLS there`);
  });
});
