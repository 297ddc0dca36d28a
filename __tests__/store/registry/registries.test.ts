/** What registries and what stands before them do otherwise than the specification or distribution: each as it was seen. */
import { randomBytes } from 'node:crypto';
import { afterEach, describe, test } from '@jest/globals';
import type { RegistryOptions } from '../../support/registry.ts';
import type { After, Asked, Changes } from '../../support/registry-between.ts';
import { expectWorking, type OddRegistry, startOdd } from '../../support/registry-odd.ts';

const bytes = randomBytes(3_000_000);
let odds: OddRegistry;
afterEach(() => odds.close());

const isUpload = ({ path }: Asked): boolean => path.includes('/blobs/uploads/');

describe('works with a registry', () => {
  const without =
    (...names: string[]): After =>
    ({ headers }) => ({ headers: { ...headers, ...Object.fromEntries(names.map((name) => [name, ''])) } });
  const odd: readonly [string, Changes, RegistryOptions?][] = [
    ['that tells no digests (ECR)', { after: without('docker-content-digest') }],
    [
      'that tells no ranges, and gives its Location once',
      { after: without('range') },
      { maxBody: 1_000_000 },
    ],
    [
      'that gives no Location after a chunk',
      {
        after: ({ headers }, { method }) =>
          method === 'PATCH' ? { headers: { ...headers, location: '' } } : undefined,
      },
      { maxBody: 1_000_000 },
    ],
    [
      'that answers chunks with 201, and a Range that stays (ECR)',
      {
        after: ({ status, headers }, { method }) =>
          method === 'PATCH' && status === 202
            ? { status: 201, headers: { ...headers, range: '0-9' } }
            : undefined,
      },
      { maxBody: 1_000_000 },
    ],
    [
      'that answers 200 where 201 and 202 belong',
      { after: ({ status }) => (status === 201 || status === 202 ? { status: 200 } : undefined) },
    ],
    [
      'that answers manifests with 202 (Quay)',
      {
        after: ({ status }, { method, path }) =>
          status === 201 && method === 'PUT' && path.includes('/manifests/') ? { status: 202 } : undefined,
      },
    ],
    [
      'that refuses a HEAD of what is not there (Artifactory)',
      {
        after: ({ status }, { method }) =>
          status === 404 && method === 'HEAD' ? { status: 403 } : undefined,
      },
    ],
    [
      'that answers 400 to a HEAD of what is not there',
      {
        after: ({ status }, { method }) =>
          status === 404 && method === 'HEAD' ? { status: 400 } : undefined,
      },
    ],
    ['that takes no HEAD', { instead: ({ method }) => (method === 'HEAD' ? { status: 405 } : undefined) }],
    [
      'that gives no length to a HEAD',
      {
        after: ({ headers }, { method }) =>
          method === 'HEAD'
            ? { headers: { ...headers, 'content-length': '', 'transfer-encoding': 'chunked' } }
            : undefined,
      },
    ],
    [
      'whose Locations are relative, with a query',
      {
        after: ({ headers }, asked) =>
          isUpload(asked) && headers.location
            ? {
                headers: {
                  ...headers,
                  location: new URL(headers.location, 'http://x').href.replace(/^https?:\/\/[^/]+/, ''),
                },
              }
            : undefined,
      },
    ],
    [
      'that calls itself by another port (behind a proxy)',
      {
        after: ({ headers }) =>
          headers.link
            ? { headers: { ...headers, link: headers.link.replace('<', '<http://other.invalid:81') } }
            : undefined,
      },
      { pageSize: 1 },
    ],
    [
      'whose lists hold null instead of nothing',
      {
        after: ({ body }) => ({
          body: Buffer.from(
            body.toString('latin1').replace(/"(tags|manifests)":\[\]/, '"$1":null'),
            'latin1',
          ),
        }),
      },
    ],
    [
      'whose index of referrers says nothing but its members',
      {
        after: ({ body }, { path }) =>
          path.includes('/referrers/')
            ? { body: Buffer.from(body.toString().replace(/^\{.*?"manifests"/s, '{"manifests"')) }
            : undefined,
      },
    ],
    [
      'that sends for referrers to a page for people, elsewhere (GHCR)',
      {
        instead: ({ path }) =>
          path.includes('/referrers/')
            ? { status: 303, headers: { location: 'https://github.invalid/-/v2/packages' } }
            : undefined,
      },
      { referrers: false },
    ],
    [
      'that sends for referrers to a page for people, here (Google)',
      {
        instead: ({ path }) =>
          path.includes('/referrers/')
            ? { status: 307, headers: { location: '/login' } }
            : path === '/login'
              ? {
                  status: 200,
                  headers: { 'content-type': 'text/html' },
                  body: Buffer.from('<!doctype html><p>Sign in'),
                }
              : undefined,
      },
      { referrers: false },
    ],
    [
      'that knows no referrers of what is not there (Quay)',
      {
        after: ({ status, body }, { path }) =>
          path.includes('/referrers/') && status === 200 && body.includes('"manifests":[]')
            ? { status: 400, body: Buffer.from('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}') }
            : undefined,
      },
    ],
    [
      'that cancels no upload (GHCR)',
      {
        instead: ({ method, path }) =>
          method === 'DELETE' && path.includes('/uploads/') ? { status: 405 } : undefined,
      },
      { mounts: false },
    ],
    [
      'that knows no state of an upload',
      { instead: (asked) => (asked.method === 'GET' && isUpload(asked) ? { status: 405 } : undefined) },
    ],
  ];
  test.each(odd.map(([name, changes, options]) => ({ name, changes, options })))(
    '$name',
    async ({ changes, options }) => {
      odds = await startOdd(changes, options);
      await expectWorking(odds, bytes);
    },
  );
});
