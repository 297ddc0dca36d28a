import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DefaultArtifactClient } from '@actions/artifact';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { type ResultsService, type ResultsServiceOptions, startResultsService } from './results-service.ts';
import { makeToken } from './results-token.ts';

const client = new DefaultArtifactClient();
let dir: string;
let service: ResultsService | undefined;

/** Starts a service, and makes this process the step of a job. */
async function start(options: ResultsServiceOptions = {}): Promise<ResultsService> {
  service = await startResultsService({ dir: join(dir, 'blobs'), ...options });
  be(service.env());
  return service;
}

function be(env: Record<string, string>): void {
  Object.assign(process.env, env);
}

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, content);
  return path;
}

async function upload(name: string, content: string | Buffer = name): Promise<number> {
  const path = await file('file', content);
  const { id } = await client.uploadArtifact(name, [path], dir, { compressionLevel: 0 });
  if (id === undefined) throw new Error('no id');
  return id;
}

async function call(
  at: ResultsService,
  method: string,
  body: object,
  token = at.env().ACTIONS_RUNTIME_TOKEN,
) {
  const response = await fetch(`${at.url}/twirp/github.actions.results.api.v1.ArtifactService/${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: JSON.parse(await response.text()) };
}

const one = { workflow_run_backend_id: '1', workflow_job_run_backend_id: '1' };

async function put(url: string, body = 'x'): Promise<number> {
  return (await fetch(url, { method: 'PUT', body })).status;
}

async function create(at: ResultsService, name: string): Promise<string> {
  const { body } = await call(at, 'CreateArtifact', { ...one, name, version: 7 });
  return body.signed_upload_url;
}

beforeEach(async () => {
  jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  dir = await mkdtemp(join(tmpdir(), 'results-test-'));
});

afterEach(async () => {
  jest.restoreAllMocks();
  await service?.close();
  service = undefined;
  for (const name of ['ACTIONS_RUNTIME_TOKEN', 'ACTIONS_RESULTS_URL', 'ACTIONS_RUNTIME_URL'])
    delete process.env[name];
  await rm(dir, { recursive: true, force: true });
});

describe('with the real client', () => {
  test('what one job uploads, another job of the run lists and downloads', async () => {
    const at = await start();
    const id = await upload('hello', 'world');
    be(at.env({ job: '2' }));
    const { artifacts } = await client.listArtifacts();
    expect(artifacts.map(({ name, id }) => ({ name, id }))).toEqual([{ name: 'hello', id }]);
    await client.downloadArtifact(id, { path: join(dir, 'down') });
    expect(await readFile(join(dir, 'down', 'file'), 'utf8')).toBe('world');
    await client.deleteArtifact('hello');
    expect((await client.listArtifacts()).artifacts).toEqual([]);
    await upload('hello');
  });

  test('50 MB in parallel blocks come back the same', async () => {
    await start();
    const content = randomBytes(50 << 20);
    const id = await upload('large', content);
    const { digestMismatch } = await client.downloadArtifact(id, {
      path: join(dir, 'down'),
      expectedHash: String((await client.listArtifacts()).artifacts[0]?.digest),
    });
    expect(digestMismatch).toBe(false);
    const back = await readFile(join(dir, 'down', 'file'));
    expect(back.equals(content)).toBe(true);
  });

  test('a file uploaded as it is keeps its name', async () => {
    await start();
    const path = await file('raw.txt', 'raw');
    const { id } = await client.uploadArtifact('ignored', [path], dir, { skipArchive: true });
    await client.downloadArtifact(Number(id), { path: join(dir, 'down') });
    expect(await readFile(join(dir, 'down', 'raw.txt'), 'utf8')).toBe('raw');
  });

  test('a name is taken once in a run, whichever job asks, and is free in another run', async () => {
    const at = await start();
    await upload('model');
    be(at.env({ job: '2' }));
    await expect(upload('model')).rejects.toThrow('non-retryable error: Failed request: (409) Conflict');
    be(at.env({ run: '2' }));
    expect((await client.listArtifacts()).artifacts).toEqual([]);
    await upload('model');
  });

  test('an upload that fails leaves its name taken and nothing to read', async () => {
    const at = await start();
    at.inject({ on: 'PutBlock', what: 403 });
    await expect(upload('half')).rejects.toThrow();
    expect((await client.listArtifacts()).artifacts).toEqual([]);
    await expect(upload('half')).rejects.toThrow('(409)');
  });

  test('faults: a reset, an answer that is lost, a byte that changes', async () => {
    const at = await start();
    const id = await upload('bytes', randomBytes(1000));
    at.inject({ on: 'ListArtifacts', what: 'reset' });
    await expect(client.listArtifacts()).rejects.toThrow('ECONNRESET');
    at.inject({ on: 'GetBlob', what: 'corrupt' });
    const got = await client.downloadArtifact(id, { path: join(dir, 'down'), expectedHash: 'sha256:other' });
    expect(got.digestMismatch).toBe(true);
    at.inject({ on: 'FinalizeArtifact', nth: 2, what: 'lose-answer' });
    await upload('first');
    await expect(upload('second')).rejects.toThrow('ECONNRESET');
    expect((await client.listArtifacts()).artifacts.map(({ name }) => name)).toEqual([
      'bytes',
      'first',
      'second',
    ]);
  });

  test('an artifact ends with its retention, and its name is free again', async () => {
    let now = Date.now();
    const at = await start({ now: () => now });
    const path = await file('file', 'x');
    await client.uploadArtifact('short', [path], dir, { retentionDays: 1 });
    now += 86_400_000 + 1000;
    be(at.env());
    expect((await client.listArtifacts()).artifacts).toEqual([]);
    await upload('short');
  });
});

describe('blocks', () => {
  const id = (n: number): string => encodeURIComponent(Buffer.from(`block-${n}`).toString('base64'));
  const stage = (url: string, n: number, body: string) => put(`${url}&comp=block&blockid=${id(n)}`, body);
  const commit = (url: string, ids: number[]) => {
    const list = ids.map((n) => `<Latest>${decodeURIComponent(id(n))}</Latest>`).join('');
    return put(`${url}&comp=blocklist`, `<?xml version="1.0"?><BlockList>${list}</BlockList>`);
  };

  test('the list decides, not the arrival; what is not listed is dropped', async () => {
    const at = await start();
    const url = await create(at, 'blocks');
    for (const n of [3, 1, 2, 4]) await stage(url, n, `${n}`);
    await stage(url, 4, 'four');
    expect(await commit(url, [4, 1, 2])).toBe(201);
    const final = { ...one, name: 'blocks', size: '6', hash: `sha256:${sha256('four12')}` };
    expect(await call(at, 'FinalizeArtifact', final)).toMatchObject({ status: 200, body: { ok: true } });
    const { body } = await call(at, 'GetSignedArtifactURL', { ...one, name: 'blocks' });
    expect(await (await fetch(body.signed_url)).text()).toBe('four12');
    expect(await readdir(join(dir, 'blobs'))).toHaveLength(3);
  });

  test('a listed block that was never put refuses the list', async () => {
    const at = await start();
    const url = await create(at, 'missing');
    expect(await stage(url, 1, 'a')).toBe(201);
    expect(await commit(url, [1, 2])).toBe(400);
    expect(await call(at, 'FinalizeArtifact', { ...one, name: 'missing' })).toMatchObject({ status: 412 });
  });

  test('Put Blob is the whole content', async () => {
    const at = await start();
    expect(await put(await create(at, 'whole'), 'whole')).toBe(201);
    const final = { ...one, name: 'whole', size: '5' };
    expect(await call(at, 'FinalizeArtifact', final)).toMatchObject({ status: 200 });
  });
});

describe('refusals', () => {
  test('a size or hash that is not that of the bytes', async () => {
    const at = await start();
    await put(await create(at, 'a'), 'whole');
    for (const wrong of [{ size: '4' }, { size: '5', hash: `sha256:${sha256('other')}` }]) {
      expect(await call(at, 'FinalizeArtifact', { ...one, name: 'a', ...wrong })).toMatchObject({
        status: 400,
      });
    }
    expect((await client.listArtifacts()).artifacts).toEqual([]);
  });

  test('a signed URL is for one artifact, one use, one hour', async () => {
    let now = Date.now();
    const at = await start({ now: () => now });
    const [a, b] = [await create(at, 'a'), await create(at, 'b')];
    const other = `${b.split('?')[0]}?${a.split('?')[1]}`;
    expect(await put(other)).toBe(403);
    expect((await fetch(a)).status).toBe(403);
    expect(await put(a)).toBe(201);
    now += 3_600_001;
    expect(await put(a)).toBe(403);
  });

  test('a token without the scope, an expired one, one of another run or job', async () => {
    const at = await start();
    const list = (token: string) => call(at, 'ListArtifacts', one, token);
    const unscoped = ['{}', '{"scp":"Actions.Results"}', '']
      .map((s) => Buffer.from(s).toString('base64url'))
      .join('.');
    expect(await list(`${unscoped}x`)).toMatchObject({ status: 403, body: { code: 'permission_denied' } });
    expect(await list('none')).toMatchObject({ status: 401 });
    expect(await list(makeToken({ run: '1', job: '1' }, Date.now() - 1))).toMatchObject({ status: 401 });
    expect(await list(makeToken({ run: '2', job: '1' }, Date.now() + 9999))).toMatchObject({ status: 403 });
    const stranger = at.env({ job: '2' }).ACTIONS_RUNTIME_TOKEN;
    await create(at, 'mine');
    expect(await call(at, 'FinalizeArtifact', { ...one, name: 'mine' }, stranger)).toMatchObject({
      status: 403,
    });
  });

  test('a name or a field that the protocol does not have', async () => {
    const at = await start();
    expect(await call(at, 'CreateArtifact', { ...one, name: 'a/b', version: 7 })).toMatchObject({
      status: 400,
    });
    expect(await call(at, 'CreateArtifact', { ...one, name: 'a', version: 4 })).toMatchObject({
      status: 400,
    });
    expect(await call(at, 'ListArtifacts', { ...one, page: 2 })).toMatchObject({
      status: 400,
      body: { code: 'malformed' },
    });
    expect(await call(at, 'Guess', one)).toMatchObject({ status: 404 });
  });
});

test('as a process of its own: the URL first, and SIGTERM ends it', async () => {
  const main = spawn('node', ['__tests__/support/results-service-main.ts', '--dir', dir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [url] = await once(createInterface(main.stdout), 'line');
  expect((await fetch(url)).status).toBe(404);
  main.kill('SIGTERM');
  expect(await once(main, 'exit')).toEqual([0, null]);
});

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
