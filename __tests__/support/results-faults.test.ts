import { createHash, randomBytes } from 'node:crypto';
import { DefaultArtifactClient } from '@actions/artifact';
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { z } from 'zod';
import { TWIRP } from './results-faults.ts';
import { uploadRaw } from './results-raw.ts';
import { type ResultsService, startResultsService } from './results-service.ts';

let service: ResultsService;
beforeEach(async () => {
  service = await startResultsService();
  await uploadRaw(service, 'bytes', randomBytes(1000));
});
afterEach(() => service.close());

const ids = { workflow_run_backend_id: '1', workflow_job_run_backend_id: '1' };
const call = (method: string, body: object = {}): Promise<Response> =>
  fetch(`${service.url}${TWIRP}${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${service.env().ACTIONS_RUNTIME_TOKEN}` },
    body: JSON.stringify({ ...ids, ...body }),
  });
const urlOf = async (name: string): Promise<string> =>
  z.object({ signed_url: z.url() }).parse(await (await call('GetSignedArtifactURL', { name })).json())
    .signed_url;

test('at random requests of every kind fail in every way, the same by the same seed, and then none any more', async () => {
  const blob = await urlOf('bytes');
  const fate = async (request: Promise<Response>): Promise<string> => {
    try {
      const response = await request;
      const hash = createHash('sha256').update(Buffer.from(await response.arrayBuffer()));
      return `${response.status} ${response.ok ? hash.digest('hex') : ''}`;
    } catch {
      return 'broken';
    }
  };
  const fates = async (seed: number): Promise<[string[], string[]]> => {
    service.failAtRandom({ seed, chance: 0.5 });
    const [reads, lists]: [string[], string[]] = [[], []];
    for (let i = 0; i < 60; i++) {
      reads.push(await fate(fetch(blob)));
      lists.push(await fate(call('ListArtifacts')));
    }
    service.failAtRandom();
    return [reads, lists];
  };
  const first = await fates(7);
  expect(await fates(7)).toEqual(first);
  expect(await fates(8)).not.toEqual(first);
  for (const some of first) {
    expect(some).toContain('broken');
    expect(new Set(some.filter((found) => !found.startsWith('200'))).size).toBeGreaterThanOrEqual(3);
  }
  const [reads, lists] = first.map((some) => new Set(some.filter((found) => found.startsWith('200'))).size);
  // As it is, and with a byte changed; only downloads are damaged.
  expect([reads, lists]).toEqual([2, 1]);
  expect(await fate(fetch(blob))).toMatch(/^200 /);
});

test('a download that is cut gives its first half, and no end', async () => {
  const blob = await urlOf('bytes');
  service.inject({ on: 'GetBlob', what: 'cut' });
  const response = await fetch(blob);
  expect(response.headers.get('content-length')).toBe('1000');
  let seen = 0;
  const read = async (): Promise<void> => {
    for await (const chunk of response.body ?? []) seen += chunk.length;
  };
  await expect(read()).rejects.toThrow();
  expect(seen).toBe(500);
});

test('an artifact of any bytes is listed as that of the client', async () => {
  jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  Object.assign(process.env, service.env());
  const { artifacts } = await new DefaultArtifactClient().listArtifacts();
  for (const name of Object.keys(service.env())) delete process.env[name];
  jest.restoreAllMocks();
  expect(artifacts).toMatchObject([{ name: 'bytes', size: 1000 }]);
});
