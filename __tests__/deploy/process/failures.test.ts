import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { freePort } from '../../../src/deploy/process/ports.ts';
import { digestOfFile } from '../../../src/lib/digest.ts';
import { benches, json, RELEASES, until } from '../../support/fronts.ts';
import { processesOf } from '../../support/processes.ts';

// Each test starts several processes, on machines that may be busy.
jest.setTimeout(120_000);

const [ONE, TWO] = RELEASES;
const bench = benches();

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

  test('on another port than its own, it is told which one', async () => {
    const front = await bench();
    const status = await front.start(ONE, { env: { MODE: 'elsewhere' }, readyTimeoutSeconds: 1 });
    expect(status.candidate?.problem).toMatch(
      /gave no connection: nothing listens on 127\.0\.0\.1:\d+, the port that \$\{port\} and PORT name$/,
    );
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

  test('is not started at another address of the port that the front has: it says so, and how that is done', async () => {
    const front = await bench();
    await front.golive(ONE);
    const listen = { host: '0.0.0.0', port: front.port };
    await expect(front.start(TWO, { listen })).rejects.toThrow(
      `port ${front.port} on 0.0.0.0 is held by the front itself, which serves on 127.0.0.1. Give another target.port, too;`,
    );
    expect((await json(front.get('/'))).release).toBe(ONE);
    await front.golive(TWO, { listen: { ...listen, port: await freePort() } });
    await front.golive(TWO, { listen });
    expect((await json(front.get('/'))).release).toBe(TWO);
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
