/** What a release for a cluster holds, made of a real package in a real registry. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hexOf } from '../../../src/lib/digest.ts';
import { canonicalBytes } from '../../../src/lib/json.ts';
import { type ClusterObject, fillManifests, manifestList } from '../../../src/records/cluster.ts';
import { MANIFESTS_LAYER } from '../../../src/records/release.ts';
import { kubernetesTarget } from '../../../src/records/target.ts';
import { findImage } from '../../../src/store/find-image.ts';
import { readBytes } from '../../../src/store/records.ts';
import { type ClusterChoices, putClusterRelease } from '../../support/cluster-releases.ts';
import { registryStores } from '../../support/registries.ts';
import { startRegistry } from '../../support/registry.ts';

const IMAGE = `ghcr.io/acme/server@sha256:${'5'.repeat(64)}`;
const ORAS = `ghcr.io/acme/oras@sha256:${'6'.repeat(64)}`;
const target = (more: object = {}) =>
  kubernetesTarget.parse({ kind: 'kubernetes', namespace: 'ml', ...more });

let stores: Awaited<ReturnType<typeof registryStores>>;
beforeAll(async () => {
  stores = await registryStores(await startRegistry(), { plainHttp: true });
});
afterAll(() => stores.close());

async function rendered(choices: Partial<ClusterChoices> = {}) {
  const store = stores.open('toy');
  const made = await putClusterRelease(store, { image: IMAGE, target: target(), ...choices });
  const layer = made.manifest.layers.find(({ mediaType }) => mediaType === MANIFESTS_LAYER);
  const bytes = await readBytes(store, layer?.digest ?? made.digest);
  const objects = manifestList.parse(JSON.parse(bytes.toString()));
  return { store, made, layer, bytes, objects };
}

function of(objects: readonly ClusterObject[], kind: string): ClusterObject {
  const found = objects.find((one) => one.kind === kind);
  if (found === undefined) throw new Error(`there is no ${kind}`);
  return found;
}

describe('the manifests of a release', () => {
  test('are a layer of it in canonical form, with placeholders where its own digest will be', async () => {
    const { layer, bytes, objects, made } = await rendered();
    expect(layer?.annotations).toEqual({ 'org.opencontainers.image.title': 'manifests.json' });
    expect(bytes).toEqual(canonicalBytes(objects));
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'ConfigMap toy-test-@@TRAINYARD_RELEASE_SHORT@@',
      'ConfigMap toy-test-@@TRAINYARD_RELEASE_SHORT@@-source',
      'PodDisruptionBudget toy-test-@@TRAINYARD_RELEASE_SHORT@@',
      'Deployment toy-test-@@TRAINYARD_RELEASE_SHORT@@',
      'Service toy-test',
    ]);
    const filled = fillManifests(objects, made.digest);
    expect(JSON.stringify(filled)).not.toContain('@@');
    expect(of(filled, 'Service')).toMatchObject({
      spec: { selector: { 'trainyard.dev/release': hexOf(made.digest, 12) } },
    });
    expect(of(filled, 'Deployment').metadata).toMatchObject({
      annotations: { 'trainyard.dev/release-digest': made.digest },
    });
  });

  test('are the same for the same input', async () => {
    expect((await rendered()).layer?.digest).toBe((await rendered()).layer?.digest);
  });

  test('pin the server’s image and mount the model of the package, from the registry of the store', async () => {
    const { store, made, objects } = await rendered();
    const packaged = made.manifest.subject?.digest ?? made.digest;
    const image = await findImage(store, `image-${hexOf(packaged, 12)}`, packaged);
    expect(of(objects, 'Deployment')).toMatchObject({
      spec: {
        template: {
          spec: {
            containers: [
              {
                image: IMAGE,
                command: [
                  'node',
                  'server.mjs',
                  '/trainyard/model/models/model.bin',
                  '/trainyard/model/models',
                  '8080',
                ],
                workingDir: '/trainyard/source',
                volumeMounts: expect.arrayContaining([
                  { name: 'model', mountPath: '/trainyard/model', readOnly: true },
                ]),
              },
            ],
            volumes: expect.arrayContaining([
              {
                name: 'model',
                image: { reference: `${store.client.name}@${image}`, pullPolicy: 'IfNotPresent' },
              },
            ]),
          },
        },
      },
    });
  });

  test('let an init container pull the package, where the target says so', async () => {
    const init = target({ model: { init: ORAS }, 'pull-secret': 'ghcr' });
    const { store, made, objects } = await rendered({ target: init, hasImage: false });
    const reference = `${store.client.name}@${made.manifest.subject?.digest}`;
    expect(of(objects, 'Deployment')).toMatchObject({
      spec: {
        template: {
          spec: {
            imagePullSecrets: [{ name: 'ghcr' }],
            initContainers: [
              {
                image: ORAS,
                command: ['oras', 'pull', '--plain-http', '--output', '/trainyard/model/models', reference],
                env: expect.arrayContaining([{ name: 'DOCKER_CONFIG', value: '/trainyard/registry' }]),
              },
            ],
            volumes: expect.arrayContaining([
              { name: 'model', emptyDir: {} },
              {
                name: 'registry',
                secret: {
                  secretName: 'ghcr',
                  items: [{ key: '.dockerconfigjson', path: 'config.json' }],
                },
              },
            ]),
          },
        },
      },
    });
  });
});
