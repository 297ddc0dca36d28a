import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { removeOthers } from '../../../src/deploy/kubernetes/remove.ts';
import { Resources } from '../../../src/deploy/kubernetes/resources.ts';
import { digestOf } from '../../../src/lib/digest.ts';
import { LayoutStore } from '../../../src/store/layout.ts';
import { ApiServer } from '../../support/api-server.ts';

let server: ApiServer;
beforeEach(async () => {
  server = await ApiServer.start();
});
afterEach(() => server.close());

test('What may not be removed is told, and fails no release that serves', async () => {
  server.forbidden = /^DELETE .*secrets/;
  const api = server.api();
  const resources = new Resources(api, 'ns');
  const where = { namespace: 'ns', name: 'toy', environment: 'test', store: new LayoutStore('/nowhere') };
  await removeOthers({ api, resources, log: server.log, ...where }, [digestOf(Buffer.from('live'))]);
  expect(server.requests).toContain('DELETE /apis/apps/v1/namespaces/ns/deployments');
  expect(server.log.warnings).toEqual([
    'what is no longer needed is left, to be removed by hand: the API server refused to remove /api/v1/namespaces/ns/secrets (403): DELETE /api/v1/namespaces/ns/secrets: Forbidden. See docs/kubernetes.md for the Role that a deploy needs',
  ]);
});
