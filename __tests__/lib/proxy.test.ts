import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MachineError, UserError } from '../../src/lib/errors.ts';
import { proxyFor } from '../../src/lib/proxy.ts';
import { readBytes } from '../../src/store/records.ts';
import { openOn } from '../support/registries.ts';
import { startRegistry } from '../support/registry.ts';

const through = (url: string, env: Record<string, string>) => proxyFor(new URL(url), env);

describe('the proxy for a URL', () => {
  test.each([
    ['https://r.example/', { HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
    ['https://r.example/', { https_proxy: 'http://small:1', HTTPS_PROXY: 'http://p:1' }, 'http://small:1'],
    ['https://r.example/', { https_proxy: '', HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
    ['http://r.example/', { HTTPS_PROXY: 'http://p:1', http_proxy: 'http://q:2' }, 'http://q:2'],
    ['http://r.example/', { HTTPS_PROXY: 'http://p:1' }, undefined],
    ['https://r.example/', { HTTPS_PROXY: 'p:3128' }, 'http://p:3128'],
    ['https://r.example/', {}, undefined],
  ])('%s with %j is %s', (url, env, proxy) => {
    expect(through(url, env)).toBe(proxy);
  });

  test.each(['https://127.0.0.1:5000/', 'https://localhost/', 'https://[::1]:5000/', 'http://127.9.9.9/'])(
    'is none for %s, which is this machine',
    (url) => {
      expect(through(url, { HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://p:1' })).toBeUndefined();
    },
  );

  test.each(['socks5://p:1', 'http://', 'user:secret@'])('%s is refused, and not shown', (value) => {
    const find = () => through('https://r.example/', { HTTPS_PROXY: value });
    expect(find).toThrow(UserError);
    expect(find).toThrow(/^HTTPS_PROXY is not the URL of a proxy; it has the form http:\/\/HOST:PORT$/);
  });
});

describe('NO_PROXY', () => {
  test.each([
    ['r.example', true],
    ['R.EXAMPLE', true],
    ['example', true],
    ['.example', true],
    ['*.example', true],
    ['a.b, other  r.example', true],
    ['r.example:443', true],
    ['*', true],
    ['r.example:5000', false],
    ['xr.example', false],
    ['ample', false],
    ['10.0.0.0/8', false],
    ['', false],
  ])('%j holds r.example: %s', (list, isExempt) => {
    const env = { HTTPS_PROXY: 'http://p:1', NO_PROXY: list };
    expect(through('https://r.example/', env) === undefined).toBe(isExempt);
  });

  test.each([
    ['10.1.2.3', 'https://10.1.2.3/', true],
    ['10.0.0.0/8', 'https://10.1.2.3:5000/', true],
    ['10.0.0.0/16', 'https://10.1.2.3/', false],
    ['10.0.0.0/99', 'https://10.1.2.3/', false],
    ['fd00::1', 'https://[fd00::1]/', true],
    ['[fd00::1]:5000', 'https://[fd00::1]:5000/', true],
    ['fd00::/8', 'https://[fd00::1]/', true],
    ['fe00::/8', 'https://[fd00::1]/', false],
  ])('%s holds %s: %s', (list, url, isExempt) => {
    expect(through(url, { HTTPS_PROXY: 'http://p:1', no_proxy: list }) === undefined).toBe(isExempt);
  });
});

describe('a registry behind a proxy', () => {
  let folder: string;
  let ends: (() => unknown)[];
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'proxy-'));
    ends = [() => rm(folder, { recursive: true, force: true })];
  });
  afterEach(async () => {
    for (const end of ends) await end();
  });

  /** A proxy that leads every name to the registry, or refuses. */
  async function startProxy(registry: string, status = 200) {
    const asked: { target: string; authorization: string | undefined }[] = [];
    const server = createServer();
    server.on('connect', ({ url: target = '', headers }, client) => {
      asked.push({ target, authorization: headers['proxy-authorization'] });
      if (status !== 200) {
        client.end(`HTTP/1.1 ${status} No\r\n\r\n`);
        return;
      }
      const [host, port] = registry.split(':');
      const there = connect(Number(port), host, () => {
        client.write('HTTP/1.1 200 Yes\r\n\r\n');
        there.pipe(client).pipe(there);
      });
      for (const end of [there, client]) end.on('error', () => {});
      ends.push(() => there.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    ends.push(() => server.close().closeAllConnections());
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    return { url: `http://me:s%3Acret@127.0.0.1:${port}`, asked };
  }

  test('is written to and read from through it, large blobs too; the proxy gets its own credential', async () => {
    const registry = await startRegistry({ locations: 'relative' });
    ends.push(() => registry.close());
    const { url, asked } = await startProxy(registry.host);
    const host = 'registry.example:5000';
    const { store } = openOn({ host }, folder, { env: { http_proxy: url }, plainHttp: [host] });
    const bytes = Buffer.alloc(9_000_000, 5);
    const blob = await store.write({ bytes });
    expect((await readBytes(store, blob.digest)).equals(bytes)).toBe(true);
    // Only a real client knows proxies.
    expect(await store.fetch(blob, join(folder, 'blob'))).toBe(false);
    const authorization = `Basic ${Buffer.from('me:s:cret').toString('base64')}`;
    expect(new Set(asked.map((one) => JSON.stringify(one)))).toEqual(
      new Set([JSON.stringify({ target: host, authorization })]),
    );
    expect(registry.requests[0]?.headers.host).toBe(host);
  });

  test('that is exempt is spoken to directly', async () => {
    const registry = await startRegistry();
    ends.push(() => registry.close());
    const { url, asked } = await startProxy(registry.host);
    const { store } = openOn({ host: 'registry.invalid' }, folder, {
      env: { http_proxy: url, no_proxy: '.invalid' },
      plainHttp: ['registry.invalid'],
    });
    await expect(store.resolve('x')).rejects.toThrow(/ENOTFOUND|EAI_AGAIN/);
    expect(asked).toEqual([]);
  });

  test.each(['http', 'https'])('that refuses the way is named, for %s', async (scheme) => {
    const { url, asked } = await startProxy('', 407);
    const env = { http_proxy: url, https_proxy: url };
    const plainHttp = scheme === 'http' ? ['registry.example'] : [];
    const { store } = openOn({ host: 'registry.example' }, folder, { env, plainHttp });
    const look = store.resolve('x');
    await expect(look).rejects.toThrow(MachineError);
    await expect(look).rejects.toThrow(
      'the proxy gives no way to registry.example; look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY',
    );
    await expect(look).rejects.not.toThrow('s%3Acret');
    expect(asked.length).toBe(1);
  });
});
