import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../src/lib/digest.ts';
import { type Registry, startRegistry } from './registry.ts';
import { ask, ending, open, putBlob, putManifest } from './registry-client.ts';
import type { Failure } from './registry-faults.ts';
import type { Operation } from './registry-routes.ts';

const REPOSITORY = 'acme/digits';
const CONTENT = 'x'.repeat(100_000);
let registry: Registry;
let host: string;

beforeEach(async () => {
  registry = await startRegistry();
  host = registry.host;
});
afterEach(() => registry.close());

function fail(on: Operation, what: Failure, more: { nth?: number; times?: number } = {}): void {
  registry.faults.add({ on, what, ...more });
}
const get = async (headers: Record<string, string> = {}) =>
  ask(host, 'GET', `/v2/${REPOSITORY}/blobs/${digestOf(Buffer.from(CONTENT))}`, { headers });

describe('refusals', () => {
  test('come with the nth request of an operation, so many times', async () => {
    await putBlob(host, REPOSITORY, CONTENT);
    fail('getBlob', 503, { nth: 2, times: 2 });
    const statuses = [await get(), await get(), await get(), await get()].map(({ status }) => status);
    expect(statuses).toEqual([200, 503, 503, 200]);
    expect(registry.faults.met).toHaveLength(2);
  });

  test('say when to come again, in seconds or by date', async () => {
    fail('ping', { status: 429, retryAfter: 7 });
    fail('ping', { status: 503, retryAfter: new Date(86_400_000) });
    const seconds = await ask(host, 'GET', '/v2/');
    expect([seconds.status, seconds.headers.get('retry-after')]).toEqual([429, '7']);
    const date = await ask(host, 'GET', '/v2/');
    expect([date.status, date.headers.get('retry-after')]).toEqual([503, 'Fri, 02 Jan 1970 00:00:00 GMT']);
  });
});

describe('connections', () => {
  const sizeOf = async (location: string): Promise<string | null> =>
    (await ask(host, 'GET', location)).headers.get('range');

  test('end before anything is done, or once it is', async () => {
    const location = await open(host, REPOSITORY);
    fail('patchUpload', 'reset');
    await expect(ask(host, 'PATCH', location, { body: 'four' })).rejects.toThrow('fetch failed');
    expect(await sizeOf(location)).toBe('0-0');
    fail('patchUpload', 'lose-answer');
    await expect(ask(host, 'PATCH', location, { body: 'four' })).rejects.toThrow('fetch failed');
    expect(await sizeOf(location)).toBe('0-3');
  });

  test('end in a request: what came is kept, and the upload goes on from there', async () => {
    const location = await open(host, REPOSITORY);
    fail('patchUpload', { cutRequest: 40_000 });
    await expect(ask(host, 'PATCH', location, { body: CONTENT })).rejects.toThrow('fetch failed');
    expect(await sizeOf(location)).toBe('0-39999');
    const rest = { body: CONTENT.slice(40_000), headers: { 'content-range': '40000-99999' } };
    expect((await ask(host, 'PUT', ending(location, CONTENT), rest)).status).toBe(201);
    expect((await get()).text).toBe(CONTENT);
  });

  test('end in a request: what came is dropped, where the registry is such', async () => {
    const other = await startRegistry({ partialChunks: 'dropped' });
    const location = await open(other.host, REPOSITORY);
    await ask(other.host, 'PATCH', location, { body: 'four' });
    other.faults.add({ on: 'patchUpload', what: { cutRequest: 40_000 } });
    await expect(ask(other.host, 'PATCH', location, { body: CONTENT })).rejects.toThrow('fetch failed');
    expect(await sizeOf(location)).toBe('0-3');
    await other.close();
  });

  test('end in an answer, or stay while nothing comes', async () => {
    await putBlob(host, REPOSITORY, CONTENT);
    fail('getBlob', { cutResponse: 40_000 });
    fail('getBlob', { stallResponse: 40_000 });
    const path = `http://${host}/v2/${REPOSITORY}/blobs/${digestOf(Buffer.from(CONTENT))}`;
    const count = async (signal?: AbortSignal): Promise<number> => {
      let bytes = 0;
      const response = await fetch(path, signal ? { signal } : {});
      const reading = async (): Promise<void> => {
        for await (const chunk of response.body ?? []) bytes += chunk.length;
      };
      await expect(reading()).rejects.toThrow();
      return bytes;
    };
    expect(await count()).toBe(40_000);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 300);
    expect(await count(controller.signal)).toBe(40_000);
  });
});

describe('answers', () => {
  test('have a damaged byte, a byte less, a byte more, or all instead of a part', async () => {
    await putBlob(host, REPOSITORY, CONTENT);
    for (const what of ['damage', 'shorter', 'longer', 'ignore-range'] as const) fail('getBlob', what);
    const damaged = await get();
    expect([damaged.text.length, damaged.text.indexOf('y')]).toEqual([CONTENT.length, 50_000]);
    expect((await get()).text).toBe(CONTENT.slice(1));
    expect((await get()).text).toBe(`${CONTENT} `);
    expect((await get({ range: 'bytes=5-' })).status).toBe(200);
    expect(await get({ range: 'bytes=5-' })).toMatchObject({ status: 206, text: CONTENT.slice(5) });
  });

  test('name a wrong digest, or a tag moves once it was looked at', async () => {
    const one = await putManifest(host, REPOSITORY, 'one');
    const two = await putManifest(host, REPOSITORY, 'two', { artifactType: 'application/vnd.two' });
    const digestAt = async (method: string): Promise<string | null> =>
      (await ask(host, method, `/v2/${REPOSITORY}/manifests/one`)).headers.get('docker-content-digest');
    fail('getManifest', 'wrong-digest');
    expect(await digestAt('GET')).toBe(`sha256:${'0'.repeat(64)}`);
    fail('headManifest', { moveTag: two });
    expect(await digestAt('HEAD')).toBe(one);
    expect(await digestAt('GET')).toBe(two);
  });
});

describe('at random', () => {
  const outcomes = async (seed: number, probability: number): Promise<unknown[]> => {
    registry.faults.random({ seed, probability, on: ['ping'] });
    for (let i = 0; i < 40; i++) await ask(host, 'GET', '/v2/').catch(() => undefined);
    return registry.faults.met.splice(0);
  };

  test('the same seed fails the same way, and another one another', async () => {
    const first = await outcomes(1, 0.5);
    expect(first.length).toBeGreaterThan(5);
    expect(await outcomes(1, 0.5)).toEqual(first);
    expect(await outcomes(2, 0.5)).not.toEqual(first);
  });

  test('everything fails or nothing, as is asked', async () => {
    expect(await outcomes(1, 1)).toHaveLength(40);
    expect(await outcomes(1, 0)).toHaveLength(0);
    registry.faults.random({ seed: 1, probability: 1 });
    registry.faults.clear();
    expect((await ask(host, 'GET', '/v2/')).status).toBe(200);
  });
});
