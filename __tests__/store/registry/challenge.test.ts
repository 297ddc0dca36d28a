import { expect, test } from '@jest/globals';
import { parseChallenge } from '../../../src/store/registry/challenge.ts';

const hub = { scheme: 'bearer', realm: 'https://auth.docker.io/token', service: 'registry.docker.io' };

test.each([
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull"',
    hub,
  ],
  ['bearer  realm = "https://auth.docker.io/token" , service=registry.docker.io', hub],
  // ECR, and Artifactory
  [
    'Basic realm="https://1.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com"',
    { scheme: 'basic' },
  ],
  ['Basic realm="Artifactory Realm"', { scheme: 'basic' }],
  ['BASIC', { scheme: 'basic' }],
  // Several in one header, in either order, as HTTP clients join them
  ['Bearer realm="https://auth.docker.io/token",service="registry.docker.io", Basic realm="other"', hub],
  [
    'Basic realm="other, Bearer realm=x", Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
    hub,
  ],
  ['Negotiate, Basic realm="x"', { scheme: 'basic' }],
  ['Negotiate YWJjZA==, Bearer realm="https://r/token"', { scheme: 'bearer', realm: 'https://r/token' }],
  ['Bearer realm="https://r/\\"q\\"",error="invalid_token"', { scheme: 'bearer', realm: 'https://r/"q"' }],
  // Nothing that could be done
  ['Bearer scope="repository:a:pull"', undefined],
  ['Negotiate', undefined],
  ['', undefined],
])('%s', (header, expected) => {
  expect(parseChallenge(header)).toEqual(expected);
});
