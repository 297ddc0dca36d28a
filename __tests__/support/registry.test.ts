import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Registry, type RegistryOptions, startRegistry } from './registry.ts';
import { ask, ending, open, putBlob, putManifest } from './registry-client.ts';

const REPOSITORY = 'acme/digits';
const UPLOADS = `/v2/${REPOSITORY}/blobs/uploads/`;
let registry: Registry;
let host: string;

async function start(options: RegistryOptions = {}): Promise<void> {
  registry = await startRegistry(options);
  host = registry.host;
}
afterEach(() => registry.close());

/** The blob as the registry gives it. */
function get(digest: string, headers: Record<string, string> = {}) {
  return ask(host, 'GET', `/v2/${REPOSITORY}/blobs/${digest}`, { headers });
}

function patch(location: string, body: string, from?: number) {
  const range = from === undefined ? undefined : { 'content-range': `${from}-${from + body.length - 1}` };
  return ask(host, 'PATCH', location, { body, ...(range && { headers: range }) });
}

const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;

describe('uploads', () => {
  test('are whole after a POST, a POST and a PUT, chunks, or a mount', async () => {
    await start();
    const inOne = await ask(host, 'POST', ending(UPLOADS, 'in one'), { body: 'in one' });
    expect(inOne.status).toBe(201);
    expect((await ask(host, 'GET', inOne.headers.get('location') ?? '')).text).toBe('in one');

    expect((await get(await putBlob(host, REPOSITORY, 'in two'))).text).toBe('in two');

    const first = await patch(await open(host, REPOSITORY), 'in ', 0);
    expect(first.headers.get('range')).toBe('0-2');
    const second = await patch(first.headers.get('location') ?? '', 'chunks', 3);
    const done = await ask(host, 'PUT', ending(second.headers.get('location') ?? '', 'in chunks'));
    expect((await ask(host, 'GET', done.headers.get('location') ?? '')).text).toBe('in chunks');

    const digest = await putBlob(host, 'acme/other', 'mounted');
    expect((await get(digest)).status).toBe(404);
    const mount = await ask(host, 'POST', `${UPLOADS}?mount=${digest}&from=acme/other`);
    expect(mount.status).toBe(201);
    expect((await get(digest)).text).toBe('mounted');
    expect(registry.requests.find(({ operation }) => operation === 'mountBlob')?.bytesIn).toBe(0);
    expect(registry.requests.reduce((sum, { bytesIn }) => sum + bytesIn, 0)).toBe(
      'in one in two in chunks mounted'.length - 3,
    );
  });

  test('say where they are, refuse a chunk from elsewhere, and can be ended', async () => {
    await start();
    const location = await open(host, REPOSITORY);
    await patch(location, 'four');
    const wrong = await patch(location, 'more', 8);
    expect(wrong.status).toBe(416);
    expect(wrong.headers.get('range')).toBe('0-3');
    const status = await ask(host, 'GET', location);
    expect([status.status, status.headers.get('range')]).toEqual([204, '0-3']);
    expect((await ask(host, 'GET', location.replace(/\?.*/, ''))).status).toBe(404);
    expect((await ask(host, 'DELETE', location)).status).toBe(204);
    expect((await ask(host, 'GET', location)).status).toBe(404);
  });

  test('are refused and forgotten when the bytes are not the digest', async () => {
    await start();
    const location = await open(host, REPOSITORY);
    expect((await ask(host, 'PUT', ending(location, 'right'), { body: 'wrong' })).status).toBe(400);
    expect((await ask(host, 'GET', location)).status).toBe(404);
  });

  test('and everything else outlive the registry', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'registry-test-'));
    await start({ dir, locations: 'relative' });
    const manifest = await putManifest(host, REPOSITORY, 'v1');
    const location = await open(host, REPOSITORY);
    await patch(location, 'half');
    await registry.close();
    await start({ dir });
    expect((await ask(host, 'PUT', ending(location, 'half done'), { body: ' done' })).status).toBe(201);
    const { headers } = await ask(host, 'HEAD', `/v2/${REPOSITORY}/manifests/v1`);
    expect(headers.get('docker-content-digest')).toBe(manifest);
    await rm(dir, { recursive: true });
  });
});

describe('what a registry may lack', () => {
  test('referrers: 404, and no OCI-Subject', async () => {
    await start({ referrers: false });
    const subject = await putManifest(host, REPOSITORY, 'subject');
    expect((await ask(host, 'GET', `/v2/${REPOSITORY}/referrers/${subject}`)).status).toBe(404);
  });

  test('deletes, mounts, chunks, a blob in the POST, and parts of blobs', async () => {
    await start({ deletes: false, mounts: false, chunks: false, monolithicPost: false, ranges: false });
    const digest = await putBlob(host, REPOSITORY, 'content');
    await putManifest(host, REPOSITORY, 'v1');
    expect((await ask(host, 'DELETE', `/v2/${REPOSITORY}/manifests/v1`)).status).toBe(405);
    expect((await ask(host, 'DELETE', `/v2/${REPOSITORY}/blobs/${digest}`)).status).toBe(405);
    expect((await ask(host, 'POST', `${UPLOADS}?mount=${digest}&from=${REPOSITORY}`)).status).toBe(202);
    expect((await patch(await open(host, REPOSITORY), 'chunk')).status).toBe(405);
    expect((await ask(host, 'POST', ending(UPLOADS, 'blob'), { body: 'blob' })).status).toBe(202);
    expect(await get(digest, { range: 'bytes=2-3' })).toMatchObject({ status: 200, text: 'content' });
  });

  test('room: for small chunks, large requests and large manifests', async () => {
    await start({ minChunk: 4, maxBody: 8, maxManifest: 200 });
    const opened = await ask(host, 'POST', UPLOADS);
    expect(opened.headers.get('oci-chunk-min-length')).toBe('4');
    const location = opened.headers.get('location') ?? '';
    expect((await patch(location, 'nine char')).status).toBe(413);
    expect((await patch(location, 'enough')).status).toBe(202);
    expect((await patch(location, 'end')).status).toBe(202);
    expect((await patch(location, 'more')).status).toBe(400);
    await expect(
      putManifest(host, REPOSITORY, 'v1', { annotations: { long: 'x'.repeat(200) } }),
    ).rejects.toThrow('413');
  });

  test('long answers: tags and referrers come in pages, the next one in Link', async () => {
    await start({ pageSize: 2 });
    const subject = { mediaType: 'application/vnd.oci.image.manifest.v1+json', size: 1 };
    const digest = await putManifest(host, REPOSITORY, 'main');
    for (const tag of ['c', 'a', 'b'])
      await putManifest(host, REPOSITORY, tag, {
        artifactType: 'application/vnd.example',
        subject: { ...subject, digest },
        annotations: { tag },
      });
    const pages = async (path: string): Promise<unknown[]> => {
      const { headers, text } = await ask(host, 'GET', path);
      const next = /^<(.+)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
      return [JSON.parse(text), ...(next === undefined ? [] : await pages(next))];
    };
    expect(await pages(`/v2/${REPOSITORY}/tags/list`)).toMatchObject([
      { tags: ['a', 'b'] },
      { tags: ['c', 'main'] },
    ]);
    const type = encodeURIComponent('application/vnd.example');
    const found = await pages(`/v2/${REPOSITORY}/referrers/${digest}?artifactType=${type}`);
    expect(found).toMatchObject([
      { manifests: [{}, {}] },
      { manifests: [{ artifactType: 'application/vnd.example' }] },
    ]);
    expect(await pages(`/v2/${REPOSITORY}/referrers/${digest}?artifactType=other`)).toMatchObject([
      { manifests: [] },
    ]);
  });
});

describe('credentials', () => {
  const users = {
    ada: { password: 'secret', identity: 'long-lived' },
    bob: { password: 'b', may: ['pull'] as const },
  };

  /** A token for what a challenge asks for. */
  async function tokenFor(answer: Awaited<ReturnType<typeof ask>>, authorization?: string): Promise<string> {
    const parts = [...(answer.headers.get('www-authenticate') ?? '').matchAll(/(\w+)="([^"]*)"/g)];
    const {
      realm = '',
      service = '',
      scope = '',
    } = Object.fromEntries(parts.map(([, key, value]) => [key, value]));
    const url = `${realm}?${new URLSearchParams({ service, scope })}`;
    const { text } = await ask(
      host,
      'GET',
      url,
      authorization === undefined ? {} : { headers: { authorization } },
    );
    return `Bearer ${JSON.parse(text).token}`;
  }

  test('basic: known users alone', async () => {
    await start({ access: { kind: 'basic', users } });
    const refused = await ask(host, 'GET', '/v2/');
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, `Basic realm="${host}"`]);
    const ping = (authorization: string) => ask(host, 'GET', '/v2/', { headers: { authorization } });
    expect((await ping(basic('ada', 'guess'))).status).toBe(401);
    expect((await ping(basic('ada', 'secret'))).status).toBe(200);
    expect(JSON.stringify(registry.requests)).not.toContain(basic('ada', 'secret').slice('Basic '.length));
  });

  test('a token is good for what was asked, for a while, and no longer than it is wanted', async () => {
    let time = 0;
    await start({ access: { kind: 'bearer', users, lifetime: 60 }, now: () => time });
    const authorization = await tokenFor(await ask(host, 'POST', UPLOADS), basic('ada', 'secret'));
    const init = { headers: { authorization } };
    const digest = await putBlob(host, REPOSITORY, 'content', init);
    const path = `/v2/${REPOSITORY}/blobs/${digest}`;
    expect((await ask(host, 'GET', path, init)).text).toBe('content');
    const elsewhere = await ask(host, 'GET', `/v2/acme/other/blobs/${digest}`, init);
    expect(elsewhere.headers.get('www-authenticate')).toContain('error="insufficient_scope"');
    time = 61_000;
    const late = await ask(host, 'GET', path, init);
    expect(late.headers.get('www-authenticate')).toContain('error="invalid_token"');
    const renewed = { headers: { authorization: await tokenFor(late, basic('ada', 'secret')) } };
    expect((await ask(host, 'GET', path, renewed)).status).toBe(200);
    registry.revokeTokens();
    expect((await ask(host, 'GET', path, renewed)).status).toBe(401);
    expect(registry.tokens()).toBe(2);
  });

  test('who may not, is told so; who is nobody, may still become somebody', async () => {
    await start({ access: { kind: 'bearer', users, anonymous: ['pull'] } });
    const challenge = await ask(host, 'POST', UPLOADS);
    const asBob = await tokenFor(challenge, basic('bob', 'b'));
    expect((await ask(host, 'POST', UPLOADS, { headers: { authorization: asBob } })).status).toBe(403);
    const asNobody = await tokenFor(challenge);
    expect((await ask(host, 'POST', UPLOADS, { headers: { authorization: asNobody } })).status).toBe(401);
    const tags = `/v2/${REPOSITORY}/tags/list`;
    expect((await ask(host, 'GET', tags, { headers: { authorization: asNobody } })).status).toBe(404);
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'long-lived' });
    expect((await ask(host, 'POST', '/token', { body })).status).toBe(200);
    expect((await ask(host, 'GET', '/token', { headers: { authorization: basic('bob', 'x') } })).status).toBe(
      401,
    );
  });
});

test('redirects blobs to a host that takes no credentials and forgets its URLs', async () => {
  let time = 0;
  await start({ redirect: { status: 302, lifetime: 60 }, now: () => time });
  const digest = await putBlob(host, REPOSITORY, 'content');
  const { status, headers } = await get(digest);
  const location = headers.get('location') ?? '';
  expect([status, new URL(location).host]).toEqual([302, registry.otherHost]);
  const from = (init: RequestInit) => ask(registry.otherHost, 'GET', location, init);
  expect(await from({ headers: { range: 'bytes=3-' } })).toMatchObject({ status: 206, text: 'tent' });
  expect((await from({ headers: { authorization: 'Bearer x' } })).status).toBe(400);
  expect(registry.requests.at(-1)).toMatchObject({
    operation: 'getRedirected',
    headers: { authorization: 'Bearer' },
  });
  time = 61_000;
  expect((await from({})).status).toBe(403);
});

test('is a process of its own: the host first, and SIGTERM ends it', async () => {
  await start();
  const args = ['--options', JSON.stringify({ chunks: false })];
  const main = spawn('node', ['__tests__/support/registry-main.ts', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [its] = await once(createInterface(main.stdout), 'line');
  expect((await ask(its, 'PATCH', await open(its, REPOSITORY), { body: 'chunk' })).status).toBe(405);
  main.kill('SIGTERM');
  expect(await once(main, 'exit')).toEqual([0, null]);
});
