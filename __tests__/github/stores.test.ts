import { tmpdir } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import { openStoreFor } from '../../src/github/stores.ts';
import { UserError } from '../../src/lib/errors.ts';
import { registryPlace } from '../support/registries.ts';

/** Opens a store where the input `plain-http` has this text; nothing is asked of it. */
function open(value: string, plainHttp: string) {
  const { env, log, signal, scratch, githubToken } = registryPlace(tmpdir());
  return openStoreFor(value, 'store', {
    ...{ env, log, signal, scratch, githubToken },
    inActions: true,
    folder: tmpdir(),
    input: (name) => (name === 'plain-http' ? plainHttp : ''),
    artifacts: () => Promise.reject(new Error('no artifacts here')),
  });
}

describe('the input plain-http', () => {
  test.each([
    ['oci://zot.lan:5000/acme', 'zot.lan:5000', 'http:'],
    ['oci://zot.lan:5000/acme', 'other.lan, ZOT.lan:5000\nthird.lan', 'http:'],
    ['oci://zot.lan/acme', 'zot.lan:80', 'http:'],
    ['oci://[fd00::1]:5000/acme', '[fd00::1]:5000', 'http:'],
    ['oci://127.0.0.1:5000/acme', '', 'http:'],
    ['oci://zot.lan:5000/acme', '', 'https:'],
    ['oci://zot.lan:5000/acme', 'zot.lan', 'https:'],
    ['oci://ghcr.io/acme', 'zot.lan:5000', 'https:'],
  ])('opens %s, where it names %j, by %s', async (value, plainHttp, protocol) => {
    expect((await open(value, plainHttp)).client?.base.protocol).toBe(protocol);
  });

  test.each(['true', 'false', 'zot.lan true', 'http://zot.lan', 'me@zot.lan', 'zot.lan:port', '*.lan'])(
    'is refused with the fix where it is %j',
    async (plainHttp) => {
      const opened = open('oci://ghcr.io/acme', plainHttp);
      await expect(opened).rejects.toThrow(UserError);
      await expect(opened).rejects.toThrow(
        `input plain-http is ${JSON.stringify(plainHttp)}; name the hosts that may be spoken to without TLS, HOST or HOST:PORT as in the store`,
      );
    },
  );
});
