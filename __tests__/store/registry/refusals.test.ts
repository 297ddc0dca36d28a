/** What registries refuse or lack, and what is made of it. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../../src/lib/digest.ts';
import { MachineError, UserError } from '../../../src/lib/errors.ts';
import { source } from '../../../src/records/source.ts';
import { putRecord, readBytes } from '../../../src/store/records.ts';
import type { RegistryStore } from '../../../src/store/registry/registry.ts';
import type { Registry, RegistryOptions } from '../../support/registry.ts';
import type { Between, Changes } from '../../support/registry-between.ts';
import { expectWorking, type OddRegistry, record, startOdd } from '../../support/registry-odd.ts';

const NOWHERE = `sha256:${'0'.repeat(64)}` as const;

let odd: OddRegistry;
let registry: Registry;
let before: Between;
afterEach(() => odd.close());

async function start(changes: Changes, options: RegistryOptions = {}): Promise<() => RegistryStore> {
  odd = await startOdd(changes, options);
  ({ registry, before } = odd);
  return odd.open;
}

test('chunks of at most 4 MiB, refused with 416, do not stop an upload that goes on (GHCR)', async () => {
  const large = randomBytes(9_000_000);
  const open = await start({
    instead: ({ method, body }) =>
      method === 'PATCH' && body.length > 4 * 2 ** 20
        ? {
            status: 416,
            body: Buffer.from(
              '{"errors":[{"code":"UNSUPPORTED","message":"the request body is too large and exceeds the maximum permissible limit of 4.00MiB"}]}',
            ),
          }
        : undefined,
  });
  const store = open();
  // The first PUT breaks off at the registry, which keeps what it has.
  registry.faults.add({ on: 'putUpload', what: { cutRequest: 2_000_000 } });
  await store.write({ bytes: large });
  expect(before.asked.filter(({ method }) => method === 'PATCH').map(({ body }) => body.length)).toEqual([
    7_000_000,
    4 * 2 ** 20,
    7_000_000 - 4 * 2 ** 20,
  ]);
  // That chunks are small says nothing about whole ones.
  const other = randomBytes(6_000_000);
  await store.write({ bytes: other });
  expect(before.asked.at(-1)).toMatchObject({ method: 'PUT' });
  expect(before.asked.at(-1)?.body.length).toBe(other.length);
  expect((await readBytes(open(), digestOf(large))).equals(large)).toBe(true);
});

describe('tags that may not be written twice', () => {
  test.each([
    [
      'ECR',
      400,
      'TAG_INVALID',
      'The image tag already exists and cannot be overwritten because the repository is immutable',
    ],
    ['Artifactory', 403, 'DENIED', 'Not enough permissions to overwrite'],
    ['Harbor', 412, 'PRECONDITION', 'configured as immutable'],
    ['others', 409, 'CONFLICT', 'exists'],
  ])(
    'may be written with what they stand for (%s), and with nothing else',
    async (_, status, code, message) => {
      const taken = new Set<string>();
      const open = await start({
        instead: ({ method, path }) => {
          if (method !== 'PUT' || !path.includes('/manifests/') || path.includes('sha256-')) return undefined;
          if (taken.has(path))
            return { status, body: Buffer.from(JSON.stringify({ errors: [{ code, message }] })) };
          taken.add(path);
          return undefined;
        },
      });
      const { digest: first } = await putRecord(open(), source, record(1));
      expect((await putRecord(open(), source, record(1))).digest).toBe(first);
      const store = open();
      const other = await putRecord(store, source, record(2));
      await store.put((await store.get(first)) ?? Buffer.alloc(0), ['main']);
      const move = store.put((await store.get(other.digest)) ?? Buffer.alloc(0), ['main']);
      await expect(move).rejects.toThrow(
        `the record main: ${before.host}/acme/digits answered ${status} (${code} ${message})`,
      );
    },
  );
});

describe('the index of referrers, where there is no list of them', () => {
  test('is left alone where its tag is taken for a digest (GitLab)', async () => {
    await start(
      {
        instead: ({ path, method }) => {
          const hex = /manifests\/sha256-([0-9a-f]{64})$/.exec(path)?.[1];
          if (hex === undefined) return undefined;
          if (method === 'PUT')
            return { status: 400, body: Buffer.from('{"errors":[{"code":"DIGEST_INVALID"}]}') };
          return { headers: { 'docker-content-digest': `sha256:${hex}` } };
        },
      },
      { referrers: false },
    );
    await expectWorking(odd, randomBytes(1000));
    expect(before.asked.filter(({ method, path }) => method === 'PUT' && path.includes('sha256-'))).toEqual(
      [],
    );
  });

  test('is written without members that are gone', async () => {
    const open = await start({}, { referrers: false });
    const parent = await putRecord(open(), source, record(1));
    const gone = await putRecord(open(), source, { ...record(2), subject: parent });
    const url = `http://${registry.host}/v2/acme/digits/manifests/${gone.digest}`;
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(202);
    const kept = await putRecord(open(), source, { ...record(3), subject: parent });
    const index = await fetch(
      `http://${registry.host}/v2/acme/digits/manifests/sha256-${parent.digest.slice(7)}`,
    );
    expect(await index.json()).toMatchObject({ manifests: [{ digest: kept.digest }] });
  });

  test('is not needed any more by a registry that says it lists referrers now', async () => {
    let isNew = true;
    const open = await start({
      instead: ({ path }) =>
        path.includes('/referrers/') && isNew
          ? { status: 404, body: Buffer.from('{"errors":[{"code":"NAME_UNKNOWN"}]}') }
          : undefined,
    });
    const store = open();
    expect(await store.children(NOWHERE)).toEqual([]);
    isNew = false;
    const parent = await putRecord(store, source, record(1));
    const child = await putRecord(store, source, { ...record(2), subject: parent });
    expect(await store.children(parent.digest)).toEqual([child.digest]);
    expect([...(await open().names('')).keys()].length).toBe(2);
    expect(before.asked.some(({ method, path }) => method === 'PUT' && path.includes('sha256-'))).toBe(false);
  });
});

describe('a list that comes in pages', () => {
  test('is read to its end', async () => {
    const open = await start({}, { pageSize: 3 });
    const parent = await putRecord(open(), source, record(0));
    for (let n = 1; n <= 10; n++) await putRecord(open(), source, { ...record(n), subject: parent });
    expect((await open().names('source-')).size).toBe(11);
    expect((await open().children(parent.digest)).length).toBe(10);
  });

  test('and names itself as its next page is told', async () => {
    const open = await start({
      after: (_, { path }) =>
        path.includes('/tags/') ? { headers: { link: `<${path}>; rel="next"` } } : undefined,
    });
    await putRecord(open(), source, record(0));
    const list = open().names('');
    await expect(list).rejects.toThrow(MachineError);
    await expect(list).rejects.toThrow('gives the same page of a list again and again');
  });

  test.each(['tags/list', 'referrers/'])(
    'and of which a page is missing is not taken for whole (%s)',
    async (which) => {
      let pages = 0;
      const open = await start(
        {
          instead: ({ path }) =>
            path.includes(which) && ++pages % 3 === 0
              ? { status: 404, body: Buffer.from('gone') }
              : undefined,
        },
        { pageSize: 1 },
      );
      const parent = await putRecord(open(), source, record(0));
      for (const n of [1, 2, 3]) await putRecord(open(), source, { ...record(n), subject: parent });
      pages = 0;
      const store = open();
      await expect(which === 'tags/list' ? store.names('') : store.children(parent.digest)).rejects.toThrow(
        /tags|referrers/,
      );
    },
  );
});

test('a digest that is told, and bytes that are damaged on their way, do not make another record of a tag', async () => {
  const open = await start({});
  const { digest } = await putRecord(open(), source, record(0));
  const tag = source.tag(record(0).config, digest);
  for (const what of ['damage', 'shorter', 'wrong-digest'] as const) {
    registry.faults.add({ on: 'headManifest', what: 'wrong-digest' });
    registry.faults.add({ on: 'getManifest', what });
    expect(await open().resolve(tag)).toBe(digest);
  }
  registry.faults.add({ on: 'headManifest', times: 9, what: 'wrong-digest' });
  registry.faults.add({ on: 'getManifest', times: 9, what: 'damage' });
  await expect(open().resolve(tag)).rejects.toThrow(
    /the record .* does not succeed: .* says that it is sha256:.*, and sends sha256:/,
  );
});

test('a repository that is not there yet has nothing', async () => {
  const open = await start({});
  expect([await open().has(NOWHERE), await open().get(NOWHERE), await open().resolve('main')]).toEqual([
    false,
    undefined,
    undefined,
  ]);
  expect([await open().children(NOWHERE), (await open().names('')).size]).toEqual([[], 0]);
  await expect(readBytes(open(), NOWHERE)).rejects.toThrow(UserError);
  await expect(readBytes(open(), NOWHERE)).rejects.toThrow(
    /Check the repository's name, and that this job's credential may see it/,
  );
});

test('what a registry says in its refusals is told, with what it is about', async () => {
  const open = await start({
    instead: ({ method }) =>
      method === 'POST'
        ? {
            status: 404,
            body: Buffer.from('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'),
          }
        : undefined,
  });
  const bytes = Buffer.from('bytes');
  await expect(open().write({ bytes })).rejects.toThrow(
    `the upload of ${digestOf(bytes).slice(7, 19)}: ${before.host}/acme/digits answered 404 (UNAUTHORIZED authentication required)`,
  );
});

describe('a place of tokens', () => {
  const access = { kind: 'bearer', users: {}, anonymous: ['pull', 'push'] } as const;
  const answering = (change: (fields: Record<string, unknown>) => object): Changes => ({
    after: ({ body }, { path }) =>
      path.startsWith('/token')
        ? { body: Buffer.from(JSON.stringify(change(JSON.parse(body.toString())))) }
        : undefined,
  });

  test.each<[string, (fields: Record<string, unknown>) => object]>([
    ['does not say how long they live (GHCR)', ({ token }) => ({ token })],
    ['says it as text', (fields) => ({ ...fields, expires_in: '300' })],
    ['says null', (fields) => ({ ...fields, expires_in: null, access_token: null })],
    ['gives an empty token beside the other', (fields) => ({ ...fields, token: '' })],
  ])('may be one that %s', async (_, change) => {
    await start(answering(change), { access });
    await expectWorking(odd, Buffer.from('bytes'));
    expect(registry.tokens()).toBeLessThan(30);
  });

  test.each<[string, Changes, RegExp]>([
    [
      'gives none',
      answering(() => ({ expires_in: 300 })),
      /\/token, where 127\.0\.0\.1:\d+ sends for tokens, answers without one/,
    ],
    [
      'is no address',
      { instead: () => ({ status: 401, headers: { 'www-authenticate': 'Bearer realm="tokens"' } }) },
      /a registry sends for tokens to "tokens", which is no URL/,
    ],
  ])('that %s is told', async (_, changes, message) => {
    const open = await start(changes, { access });
    const look = open().resolve('main');
    await expect(look).rejects.toThrow(UserError);
    await expect(look).rejects.toThrow(message);
  });
});

test('a registry that answers 401 for ever is asked once more, with the credential, and then told', async () => {
  const open = await start(
    {
      after: ({ status }, { path }) =>
        path.includes('/manifests/') && status !== 401
          ? { status: 401, headers: { 'www-authenticate': `Bearer realm="http://${registry.host}/token"` } }
          : undefined,
    },
    { access: { kind: 'bearer', users: {}, anonymous: ['pull', 'push'] } },
  );
  await expect(open().get(NOWHERE)).rejects.toThrow(/answered 401.*Give this job a credential/);
  expect(before.asked.filter(({ path }) => path.includes('/manifests/')).length).toBe(2);
});
