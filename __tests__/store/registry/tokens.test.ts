import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { digestOf } from '../../../src/lib/digest.ts';
import { messageOf, UserError } from '../../../src/lib/errors.ts';
import { credentials, type Opened, openOn } from '../../support/registries.ts';
import { type Registry, startRegistry } from '../../support/registry.ts';
import type { AccessOptions } from '../../support/registry-access.ts';

const USERS = {
  robot: { password: 'pass:wörd', identity: 'an identity token' },
  guest: { password: 'g', may: ['pull'] },
} as const;
const BYTES = Buffer.from('bytes');
const CONFIG = Buffer.from('{}');
const manifest = (n: number): Buffer =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf(CONFIG), size: 2 },
      layers: [],
      annotations: { n: String(n) },
    }),
  );

let folder: string;
let registry: Registry;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokens-'));
});
afterEach(async () => {
  jest.restoreAllMocks();
  await registry.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(access: Partial<AccessOptions> = {}): Promise<void> {
  registry = await startRegistry({ access: { kind: 'bearer', users: USERS, ...access } });
}

function open(entry: object | undefined, repository = 'acme/digits'): Opened {
  const env = entry === undefined ? {} : credentials(registry.host, entry);
  return openOn(registry, folder, { env, repository });
}

const ROBOT = { username: 'robot', password: 'pass:wörd' };
const seen = (operation: string) => registry.requests.filter((one) => one.operation === operation);
const refused = () => registry.requests.filter(({ status }) => status === 401).length;

describe('a registry with basic authentication', () => {
  test('is asked without a credential first, and with it from then on', async () => {
    await start({ kind: 'basic' });
    const { store } = open(ROBOT);
    await store.write({ bytes: BYTES });
    const schemes = registry.requests.map(({ headers }) => headers.authorization);
    expect(schemes).toEqual([undefined, 'Basic', 'Basic', 'Basic']);
  });

  test('that gets no credential, or a wrong one, is not asked for ever; the error says where credentials are looked for', async () => {
    await start({ kind: 'basic' });
    const none = open(undefined).store.write({ bytes: BYTES });
    await expect(none).rejects.toThrow(`${registry.host} asks for a user and a password, and none is known`);
    const wrong = open({ username: 'robot', password: 'no' }).store.write({ bytes: BYTES });
    await expect(wrong).rejects.toThrow(/answered 401.*Give this job a credential/);
    for (const one of [none, wrong]) {
      await expect(one).rejects.toThrow(UserError);
      await expect(one).rejects.toThrow(/DOCKER_AUTH_CONFIG.*docker login.*ghcr\.io the input token/);
    }
    expect(registry.requests.length).toBe(3);
  });
});

describe('a token', () => {
  test('is asked for when it is first needed, once for each thing to be done, by many requests at once too', async () => {
    await start();
    const { store } = open(ROBOT);
    await store.write({ bytes: CONFIG });
    await Promise.all(Array.from({ length: 20 }, (_, n) => store.put(manifest(n), [`tag-${n}`])));
    expect((await open(ROBOT).store.names('tag-')).size).toBe(20);
    // To look, and to write; and the second client's.
    expect(registry.tokens()).toBe(3);
    expect(seen('token').map(({ method, headers }) => [method, headers.authorization])).toEqual(
      Array.from({ length: 3 }, () => ['GET', 'Basic']),
    );
  });

  test.each(['token', 'access_token'] as const)('may come in the field %s', async (field) => {
    await start({ field });
    await open(ROBOT).store.write({ bytes: BYTES });
    expect(registry.tokens()).toBeGreaterThan(0);
  });

  test('is had for an identity token by POST, which is in no URL and no header', async () => {
    await start();
    await open({ identitytoken: 'an identity token' }).store.write({ bytes: BYTES });
    for (const { method, path, headers } of seen('token')) {
      expect([method, path, headers.authorization]).toEqual(['POST', '/token', undefined]);
      expect(headers['content-type']).toBe('application/x-www-form-urlencoded');
    }
    expect(registry.tokens()).toBe(2);
  });

  test('is had without a credential for what everybody may do', async () => {
    await start({ anonymous: ['pull'] });
    const { digest } = await open(ROBOT).store.write({ bytes: BYTES });
    const { store } = open(undefined);
    expect(await store.has(digest)).toBe(true);
    const write = store.write({ bytes: Buffer.from('more') });
    await expect(write).rejects.toThrow(UserError);
    await expect(write).rejects.toThrow(/the upload of .*answered 40[13]/);
  });

  test('for a mount is good for both repositories', async () => {
    await start();
    const from = open(ROBOT, 'acme/from').store;
    const blob = await from.write({ bytes: BYTES });
    expect(await open(ROBOT, 'acme/to').store.take(from, blob)).toBe(true);
    const scopes = new URL(seen('token').at(-1)?.path ?? '', 'http://x').searchParams.getAll('scope');
    expect(scopes).toEqual(['repository:acme/to:pull,push', 'repository:acme/from:pull']);
  });

  test('is used until shortly before its end, and then renewed before it is refused', async () => {
    let now = Date.now();
    jest.spyOn(Date, 'now').mockImplementation(() => now);
    await start({ lifetime: 300 });
    const { store } = open(ROBOT);
    // Ten minutes, a request every half one: the first token for four of the five minutes that it would live.
    for (let n = 0; n < 20; n++) {
      await store.resolve('tag');
      if (n === 7) expect(registry.tokens()).toBe(1);
      now += 30_000;
    }
    expect(registry.tokens()).toBe(3);
    expect(refused()).toBe(1);
  });

  test('is renewed in the middle of a long upload and a long look, and nothing is sent twice', async () => {
    registry = await startRegistry({
      access: { kind: 'bearer', users: USERS, lifetime: 1 },
      maxBody: 600_000,
      partialChunks: 'dropped',
    });
    registry.faults.add({ on: 'patchUpload', times: 20, what: { delay: 250 } });
    const bytes = Buffer.alloc(4_000_000, 1);
    const { store } = open(ROBOT);
    const { digest } = await store.write({ bytes });
    expect(await open(ROBOT).store.has(digest)).toBe(true);
    const chunks = seen('patchUpload').filter(({ status }) => status === 202);
    expect(chunks.reduce((sum, { bytesIn }) => sum + bytesIn, 0)).toBe(bytes.length);
    expect(registry.tokens()).toBeGreaterThan(3);
  });

  test('that is taken back in the middle of an upload is renewed, and the bytes are sent from their beginning', async () => {
    await start();
    const bytes = Buffer.alloc(3_000_000, 2);
    let opened = 0;
    const { store } = open(ROBOT);
    await store.write({ bytes: BYTES });
    // After the POST, before the PUT.
    const openContent = async () => {
      if (opened++ === 0) registry.revokeTokens();
      return Readable.from([bytes.subarray(0, 1000), bytes.subarray(1000)]);
    };
    await store.write({ open: openContent, size: bytes.length }, digestOf(bytes));
    expect(seen('putUpload').map(({ status }) => status)).toEqual([201, 401, 201]);
    expect(opened).toBe(2);
  });
});

describe('nothing is found out by trying for ever:', () => {
  test('wrong credentials end at the first refusal of the token, and the error says where they are looked for', async () => {
    await start();
    const { store, log } = open({ username: 'robot', password: 'a wrong secret' });
    const write = store.write({ bytes: BYTES });
    await expect(write).rejects.toThrow(UserError);
    await expect(write).rejects.toThrow(
      `${registry.host} gives no token for repository:acme/digits:pull with the credential that was found (http://${registry.host}/token answered 401)`,
    );
    await expect(write).rejects.toThrow(/DOCKER_AUTH_CONFIG.*docker login/);
    const said = [await write.catch(messageOf), ...log.lines, ...log.warnings].join('\n');
    expect(said).not.toContain('a wrong secret');
    expect(said).not.toContain(Buffer.from('robot:a wrong secret').toString('base64'));
    expect([seen('token').length, log.warnings.length]).toEqual([1, 0]);
  });

  test('a user who may not write is told so after one request more', async () => {
    await start();
    const write = open({ username: 'guest', password: 'g' }).store.write({ bytes: BYTES });
    await expect(write).rejects.toThrow(UserError);
    await expect(write).rejects.toThrow(
      /answered 403 \(DENIED pull and push of acme\/digits is not permitted\)/,
    );
    expect(seen('startUpload').length).toBeLessThanOrEqual(2);
  });

  test('a token endpoint that fails is asked as often as anything else', async () => {
    await start();
    registry.faults.add({ on: 'token', times: 3, what: 503 });
    const { store, waited } = open(ROBOT);
    expect(await store.resolve('tag')).toBeUndefined();
    expect([seen('token').length, waited.length]).toEqual([4, 3]);
    registry.faults.add({ on: 'token', times: 100, what: 500 });
    await expect(open(ROBOT).store.resolve('tag')).rejects.toThrow(`http://${registry.host}/token`);
    expect(seen('token').length).toBe(9);
  });
});
