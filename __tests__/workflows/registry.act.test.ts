import { expect, test } from '@jest/globals';
import { startRegistry } from '../support/registry.ts';
import { describeLine, LARGE } from '../support/registry-line.ts';

describeLine(
  'a registry',
  () => startRegistry(),
  (line) => {
    test('a large model goes from hand-off to store inside the registry: package-model moves none of it', async () => {
      const { registry, run } = line();
      const manifest = await fetch(`http://${registry.host}/v2/acme/digits/manifests/${run}`, {
        headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
      });
      const { layers }: { layers: { size: number; digest: string }[] } = JSON.parse(await manifest.text());
      const { digest = '' } = layers.find(({ size }) => size > LARGE) ?? {};
      const ofStore = registry.requests.filter(({ repository }) => repository === 'acme/digits');
      const mount = ofStore.find(({ path }) => path.includes(encodeURIComponent(digest)));
      expect(mount).toMatchObject({ operation: 'mountBlob', status: 201 });
      const sent = ofStore.reduce((sum, { bytesIn }) => sum + bytesIn, 0);
      const looked = registry.requests
        .filter(({ repository, reference }) => repository === 'acme/digits-handoff' && reference === digest)
        .reduce((sum, { bytesOut }) => sum + bytesOut, 0);
      expect([sent < LARGE / 100, looked < LARGE / 100]).toEqual([true, true]);
    });
  },
);
