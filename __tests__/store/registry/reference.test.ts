import { describe, expect, test } from '@jest/globals';
import { UserError } from '../../../src/lib/errors.ts';
import { parseReference } from '../../../src/store/registry/reference.ts';

test.each([
  ['oci://ghcr.io/acme/digits', 'ghcr.io', 'acme/digits'],
  ['oci://GHCR.IO/acme/digits/', 'ghcr.io', 'acme/digits'],
  ['oci://127.0.0.1:5000/a', '127.0.0.1:5000', 'a'],
  ['oci://[::1]:5000/a/b/c', '[::1]:5000', 'a/b/c'],
  ['oci://localhost/acme/a.b_c__d-e--f', 'localhost', 'acme/a.b_c__d-e--f'],
])('%s is a repository', (value, host, repository) => {
  expect(parseReference(value, 'store')).toEqual({ host, repository });
});

describe('a value that names no repository is refused, and the message says why:', () => {
  test.each([
    ['oci://', 'it names no repository'],
    ['oci://ghcr.io', 'it names no repository'],
    ['oci://ghcr.io/', 'it names no repository'],
    ['oci:///acme', 'it names no repository'],
    ['oci://https://ghcr.io/acme', 'a user or another scheme does not belong in it'],
    ['oci://me:secret@ghcr.io/acme', 'a user or another scheme does not belong in it'],
    ['oci://me:secret@ghcr.io', 'it names no repository'],
    ['oci://me:secret@ghcr.io:5000', 'it names no repository'],
    ['oci://me:secret@ghcr.io/', 'it names no repository'],
    ['oci://me:/secret@ghcr.io', 'a user or another scheme does not belong in it'],
    [
      `oci://me:secret@ghcr.io/acme@sha256:${'0'.repeat(64)}`,
      'a user or another scheme does not belong in it',
    ],
    ['oci://gh cr.io/acme', '"gh cr.io" is no host'],
    ['oci://-ghcr.io/acme', '"-ghcr.io" is no host'],
    ['oci://ghcr.io:port/acme', '"ghcr.io:port" is no host'],
    ['oci://ghcr.io/acme/digits:v1', 'it names a tag or digest, and a store is a whole repository'],
    [`oci://ghcr.io/acme@sha256:${'0'.repeat(64)}`, 'it names a tag or digest'],
    ['oci://ghcr.io/Acme/Digits', 'repositories are in lower case: acme/digits'],
    ['oci://ghcr.io/acme//digits', '"acme//digits" is no repository: a-z 0-9 . _ - and / between them'],
    ['oci://ghcr.io/acme/../other', '"acme/../other" is no repository'],
    ['oci://ghcr.io/acme?x=1', '"acme?x=1" is no repository'],
    ['oci://ghcr.io/-acme', '"-acme" is no repository'],
    [`oci://ghcr.io/${'a'.repeat(256)}`, 'is no repository'],
  ])('%s', (value, why) => {
    const parse = () => parseReference(value, 'store');
    expect(parse).toThrow(UserError);
    expect(parse).toThrow(`store is ${JSON.stringify(value.replace(/me:.?secret@/, '***@'))}: `);
    expect(parse).not.toThrow('secret');
    expect(parse).toThrow(why);
    expect(parse).toThrow('A registry is given as oci://HOST/REPOSITORY');
  });
});
