/** GitHub's registry says of a package that is not there yet what it says of one that may not be read. */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { source } from '../../../src/records/source.ts';
import { putRecord, readBytes } from '../../../src/store/records.ts';
import { type Opened, openOn } from '../../support/registries.ts';
import { startRegistry } from '../../support/registry.ts';

const CONFIG = { repository: 'r', commit: '0'.repeat(40), path: '.', ref: 'main' };
const access = {
  kind: 'bearer',
  users: {
    // What the job's token may is told by the actor here; there is no package yet.
    reader: { password: 'token', may: {} },
    writer: { password: 'token', may: ['pull', 'push'] },
  },
} as const;
let folder: string;
let proxy: string;
let ends: (() => unknown)[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'absent-'));
  const registry = await startRegistry({ access, locations: 'relative' });
  const [, port] = registry.host.split(':');
  // Leads every name to the registry.
  const server = createServer().on('connect', (_, client) => {
    const there = connect(Number(port), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Yes\r\n\r\n');
      there.pipe(client).pipe(there);
    });
    for (const end of [there, client]) end.on('error', () => {});
    ends.push(() => there.destroy() && client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  proxy = `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`;
  ends = [
    () => server.close().closeAllConnections(),
    () => registry.close(),
    () => rm(folder, { recursive: true, force: true }),
  ];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

function as(actor: string, host = 'ghcr.io'): Opened {
  const env = { http_proxy: proxy, GITHUB_ACTOR: actor };
  return openOn({ host }, folder, { env, githubToken: 'token', plainHttp: [host] });
}

test.each([
  ['the registry', 'reader'],
  ['its token endpoint', 'stranger'],
])('what %s says may not be read is not there, and that is said once', async (_who, actor) => {
  const { store, log } = as(actor);
  const nowhere = `sha256:${'0'.repeat(64)}` as const;
  expect(await store.resolve(`training-${'0'.repeat(64)}`)).toBeUndefined();
  expect((await store.names('training-')).size).toBe(0);
  expect([await store.has(nowhere), await store.get(nowhere), await store.children(nowhere)]).toEqual([
    false,
    undefined,
    [],
  ]);
  expect(log.warnings).toEqual([
    expect.stringMatching(/^ghcr\.io lets this job read nothing of acme\/digits\. .* packages: read/),
  ]);
  await expect(readBytes(store, nowhere)).rejects.toThrow(/answered 404/);
});

test('who may not write either is told so', async () => {
  const { store } = as('reader');
  await expect(putRecord(store, source, { config: CONFIG, layers: [] })).rejects.toThrow(
    /answered 403 \(DENIED .*Give this job a credential/,
  );
});

test('who may write makes it, and it is read from then on', async () => {
  const { store, log } = as('writer');
  const { digest } = await putRecord(store, source, { config: CONFIG, layers: [] });
  expect([...(await as('writer').store.names('source-')).values()]).toEqual([digest]);
  expect(log.warnings).toEqual([]);
});

test('another registry means what it says', async () => {
  const env = {
    http_proxy: proxy,
    DOCKER_AUTH_CONFIG: '{"auths":{"registry.example":{"auth":"cmVhZGVyOnRva2Vu"}}}',
  };
  const { store } = openOn({ host: 'registry.example' }, folder, { env, plainHttp: ['registry.example'] });
  await expect(store.resolve('x')).rejects.toThrow(/answered 403.*Give this job a credential/s);
});
