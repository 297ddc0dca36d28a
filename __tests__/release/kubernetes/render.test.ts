/** What a release for a cluster holds, made of a real package in a real registry. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
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
import { SERVER } from '../../support/server-file.ts';

const IMAGE = `ghcr.io/acme/server@sha256:${'5'.repeat(64)}`;
const ORAS = `ghcr.io/acme/oras@sha256:${'6'.repeat(64)}`;
const target = (more: object = {}) =>
  kubernetesTarget.parse({ kind: 'kubernetes', namespace: 'ml', ...more });

let stores: Awaited<ReturnType<typeof registryStores>>;
beforeAll(async () => {
  stores = await registryStores(await startRegistry());
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

const podTemplate = z.object({
  spec: z.object({ template: z.object({ spec: z.looseObject({ containers: z.array(z.unknown()) }) }) }),
});
const podIn = (objects: readonly ClusterObject[]) =>
  podTemplate.parse(of(objects, 'Deployment')).spec.template.spec;
const serverIn = (objects: readonly ClusterObject[]) => podIn(objects).containers[0];

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
                  '0.0.0.0:8080',
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
                image: { reference: `${store.client.name}@${image?.digest}`, pullPolicy: 'IfNotPresent' },
              },
            ]),
          },
        },
      },
    });
  });

  test('let an init container pull the package, where the target says so', async () => {
    const init = target({
      model: { init: ORAS },
      'pull-secret': 'ghcr',
      resources: { requests: { cpu: 1, memory: '1Gi' }, limits: { memory: '2Gi' } },
    });
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
                resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { memory: '2Gi' } },
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

  test('give the server its settings: configuration by a ConfigMap, secrets by name, and what a machine has otherwise', async () => {
    const { objects } = await rendered({
      config: { THRESHOLD: 0.5, LABELS: ['a', 'b'], TEXT: 'on' },
      secrets: ['API_KEY'],
      secretReferences: { DB: { secretKeyRef: { name: 'db', key: 'password' } } },
    });
    const name = 'toy-test-@@TRAINYARD_RELEASE_SHORT@@';
    expect(of(objects, 'ConfigMap')).toMatchObject({
      metadata: { name },
      immutable: true,
      data: { THRESHOLD: '0.5', LABELS: '["a","b"]', TEXT: 'on' },
    });
    expect(serverIn(objects)).toMatchObject({
      envFrom: [{ configMapRef: { name } }],
      env: [
        { name: 'HOME', value: '/tmp' },
        { name: 'PORT', value: '8080' },
        { name: 'PYTHONUNBUFFERED', value: '1' },
        { name: 'TRAINYARD_RELEASE', value: '@@TRAINYARD_RELEASE@@' },
        { name: 'API_KEY', valueFrom: { secretKeyRef: { name, key: 'API_KEY' } } },
        { name: 'DB', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } },
      ],
    });
  });

  test('bring the server’s source as files, as they are, and run the command in its folder', async () => {
    const { store, objects } = await rendered({
      server: { directory: 'app', command: ['sh', '-c', 'echo $HOME $(PORT) ${host}:${port}'] },
    });
    const map = objects.find(({ metadata }) => metadata.name.endsWith('-source'));
    const source = await readFile(SERVER);
    expect(map).toMatchObject({ binaryData: { 'file-0': source.toString('base64') } });
    expect(store.location).toContain('oci://');
    expect(serverIn(objects)).toMatchObject({
      workingDir: '/trainyard/source/app',
      // Kubernetes reads $$ as $, and leaves $(…) behind it alone.
      command: ['sh', '-c', 'echo $$HOME $$(PORT) 0.0.0.0:8080'],
    });
    expect(podIn(objects)).toMatchObject({
      volumes: expect.arrayContaining([
        {
          name: 'source',
          configMap: {
            name: map?.metadata.name,
            items: [{ key: 'file-0', path: 'server.mjs', mode: 0o444 }],
          },
        },
      ]),
    });
  });

  test('ask the server whether it is ready, for as long as it may take, and end it without losing a request', async () => {
    const { objects } = await rendered({ server: { readyTimeoutSeconds: 90.5 } });
    expect(of(objects, 'Deployment')).toMatchObject({
      spec: { progressDeadlineSeconds: 691, revisionHistoryLimit: 0, replicas: 1 },
    });
    expect(podIn(objects)).toMatchObject({ terminationGracePeriodSeconds: 35 });
    expect(serverIn(objects)).toMatchObject({
      startupProbe: { httpGet: { path: '/ready', port: 8080 }, periodSeconds: 1, failureThreshold: 91 },
      readinessProbe: { httpGet: { path: '/ready', port: 8080 } },
      lifecycle: { preStop: { sleep: { seconds: 5 } } },
    });
  });

  test('give the pods no rights, and as much of the machine as the target says', async () => {
    const limits = { cpu: 2, memory: '4Gi', 'nvidia.com/gpu': 1 };
    const { objects } = await rendered({
      target: target({ replicas: 3, port: 9000, user: 1000, resources: { limits } }),
    });
    expect(of(objects, 'Deployment')).toMatchObject({ spec: { replicas: 3 } });
    expect(of(objects, 'Service')).toMatchObject({ spec: { ports: [{ port: 80, targetPort: 9000 }] } });
    expect(podIn(objects)).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 1000,
        runAsGroup: 1000,
        fsGroup: 1000,
        seccompProfile: { type: 'RuntimeDefault' },
      },
    });
    expect(serverIn(objects)).toMatchObject({
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
      resources: { limits: { cpu: '2', memory: '4Gi', 'nvidia.com/gpu': '1' } },
    });
  });
});
