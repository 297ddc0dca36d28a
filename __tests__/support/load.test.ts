import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { Load } from './load.ts';
import { reportOf } from './load-report.ts';

/** A server for one test, and how many connections it was asked over. */
async function serving(answer: RequestListener) {
  const server = createServer(answer);
  let connections = 0;
  server.on('connection', () => (connections += 1));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}/ask`,
    connections: () => connections,
    [Symbol.dispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

test('it asks at its rate over few connections, and lists who answered in order', async () => {
  let release = 'a';
  const bodies = new Set<string>();
  using server = await serving(async (request, answer) => {
    for await (const chunk of request) bodies.add(`${request.method} ${request.url} ${chunk}`);
    answer.setHeader('x-trainyard-release', release).end('{}');
  });
  const load = await Load.begin({ url: server.url, rate: 100, method: 'POST', body: 'hello' });
  for (const next of ['b', 'a']) {
    await sleep(500);
    release = next;
  }
  await sleep(500);
  const { seconds, asked, failed, failures, releases, latency } = await load.end();
  expect({ failed, failures, seen: releases.map((one) => one.release) }).toEqual({
    failed: 0,
    failures: [],
    seen: ['a', 'b', 'a'],
  });
  expect(asked / seconds).toBeGreaterThan(80);
  expect(asked / seconds).toBeLessThan(105);
  expect(releases.reduce((sum, { count }) => sum + count, 0)).toBe(asked);
  expect([...bodies]).toEqual(['POST /ask hello']);
  expect(server.connections()).toBeLessThan(asked / 4);
  expect(latency.p50).toBeGreaterThan(0);
  expect(latency.p50).toBeLessThanOrEqual(latency.p99);
});

test('a slow answer does not hold up the next request, and shows in the times', async () => {
  using server = await serving((_, answer) => void setTimeout(() => answer.end(), 300));
  const load = await Load.begin({ url: server.url, rate: 100 });
  await sleep(1000);
  const { asked, failed, latency } = await load.end();
  expect(failed).toBe(0);
  expect(asked).toBeGreaterThan(100);
  expect(latency.p50).toBeGreaterThanOrEqual(295);
});

test('failures are counted by their reason: a status, a broken connection, no answer, nobody there', async () => {
  let count = 0;
  using server = await serving((request, answer) => {
    count += 1;
    if (count % 4 === 1) answer.writeHead(503).end('not now');
    else if (count % 4 === 2) request.socket.destroy();
    else if (count % 4 === 3) answer.end();
  });
  const load = await Load.begin({ url: server.url, rate: 100, timeoutSeconds: 0.3 });
  await sleep(500);
  const { asked, failed, failures } = await load.end();
  const reasons = failures.map(({ reason }) => reason).sort();
  expect(reasons).toEqual(['503: not now', 'no answer within 0.3 s', 'socket hang up']);
  expect(failures.reduce((sum, one) => sum + one.count, 0)).toBe(failed);
  expect(failed).toBeGreaterThan(asked / 2);
  expect(failed).toBeLessThan(asked);
});

test('where nobody listens, every request has failed', async () => {
  const server = await serving(() => {});
  server[Symbol.dispose]();
  const load = await Load.begin({ url: server.url, rate: 20 });
  const { asked, failed, failures, releases, latency } = await load.end();
  expect({ failed, releases, latency: latency.most }).toEqual({ failed: asked, releases: [], latency: 0 });
  expect(failures[0]?.reason).toMatch(/ECONNREFUSED/);
});

test('requests that were open at once count in the order with the fewest changes, others as they came', () => {
  const at = (sent: number, milliseconds: number, release: string) => ({
    due: sent,
    sent,
    milliseconds,
    release,
  });
  const releasesOf = (...answers: Parameters<typeof reportOf>[0]) =>
    reportOf(answers, 100).releases.map(({ release, count }) => [release, count]);
  const overlapping = [at(0, 10, 'a'), at(5, 30, 'b'), at(7, 20, 'a'), at(8, 40, 'b'), at(60, 5, 'a')];
  expect(releasesOf(...overlapping)).toEqual([
    ['a', 2],
    ['b', 2],
    ['a', 1],
  ]);
  const apart = [at(0, 1, 'a'), at(5, 1, 'b'), at(10, 1, 'a'), at(15, 1, 'b')];
  expect(releasesOf(...apart).map(([release]) => release)).toEqual(['a', 'b', 'a', 'b']);
});
