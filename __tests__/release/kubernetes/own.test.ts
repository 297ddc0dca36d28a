/** Manifests of the user's own, from a real commit. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { hexOf } from '../../../src/lib/digest.ts';
import { findImage } from '../../../src/store/find-image.ts';
import {
  DEPLOYMENT,
  IMAGE,
  type OwnManifests,
  openOwnManifests,
  SERVICE,
} from '../../support/own-manifests.ts';

let own: OwnManifests;
beforeAll(async () => {
  own = await openOwnManifests();
});
beforeEach(() => own.reset());
afterAll(() => own.close());

describe('manifests of one’s own', () => {
  test('are released with what the release knows in them, our labels, and the Service last', async () => {
    const objects = await own.released();
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'ConfigMap toy-test-@@TRAINYARD_RELEASE_SHORT@@',
      'Deployment toy-test-@@TRAINYARD_RELEASE_SHORT@@',
      'Service toy-test',
    ]);
    const digest = own.request.package.digest;
    const image = await findImage(own.store, `image-${hexOf(digest, 12)}`, digest);
    const labels = {
      'trainyard.dev/project': 'toy',
      'trainyard.dev/environment': 'test',
      'trainyard.dev/release': '@@TRAINYARD_RELEASE_SHORT@@',
    };
    expect(objects[1]).toMatchObject({
      metadata: {
        namespace: 'ml',
        labels: { 'app.kubernetes.io/managed-by': 'trainyard', 'app.kubernetes.io/name': 'mine', ...labels },
        annotations: { 'trainyard.dev/release-digest': '@@TRAINYARD_RELEASE@@' },
      },
      spec: {
        template: {
          metadata: { labels: { app: 'toy', release: '@@TRAINYARD_RELEASE_SHORT@@', ...labels } },
          spec: {
            containers: [
              {
                image: IMAGE,
                env: [{ name: 'TRAINYARD_RELEASE', value: '@@TRAINYARD_RELEASE@@' }],
                envFrom: [{ configMapRef: { name: 'toy-test-@@TRAINYARD_RELEASE_SHORT@@' } }],
              },
            ],
            volumes: [{ name: 'model', image: { reference: `${own.store.client.name}@${image?.digest}` } }],
          },
        },
      },
    });
    expect(objects[2]).toMatchObject({ metadata: { namespace: 'ml', labels } });
  });

  test('are read as Kubernetes reads them: YAML 1.1, JSON, several documents, empty ones', async () => {
    const mode = '---\n# nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: modes}\n';
    await own.repository.commit({
      'k8s/more.yaml': `${mode}data: {on: "1"}\nmode: 0644\nbinary: yes\ntime: 12:30\nday: 2026-01-02\n`,
      'k8s/json.json': '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json"}}',
      'k8s/notes.md': 'No manifest.',
      'k8s/deeper/other.yaml': 'kind: Nothing\n',
    });
    const objects = await own.released();
    expect(objects.find(({ metadata }) => metadata.name === 'modes')).toMatchObject({
      data: { on: '1' },
      mode: 420,
      binary: true,
      time: '12:30',
      day: '2026-01-02',
    });
    expect(objects.map(({ metadata }) => metadata.name)).toContain('json');
  });

  test('come from the commit, not from the work tree', async () => {
    const before = await own.layer();
    await own.repository.write({ 'k8s/service.yml': 'no: manifest\n' });
    expect(await own.layer()).toBe(before);
  });

  test('may have more than one Service, and workloads beside what serves, which keep their own labels', async () => {
    const helper = DEPLOYMENT.replaceAll('app: toy', 'app: cache').replace(
      '@@TRAINYARD_NAME@@-',
      '@@TRAINYARD_NAME@@-cache-',
    );
    await own.repository.commit({
      'k8s/cache.yaml': helper,
      'k8s/grpc.yaml': SERVICE.replace('"@@TRAINYARD_NAME@@"', '"@@TRAINYARD_NAME@@-grpc"'),
    });
    const objects = await own.released();
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'ConfigMap toy-test-@@TRAINYARD_RELEASE_SHORT@@',
      'Deployment toy-test-cache-@@TRAINYARD_RELEASE_SHORT@@',
      'Deployment toy-test-@@TRAINYARD_RELEASE_SHORT@@',
      'Service toy-test-grpc',
      'Service toy-test',
    ]);
    const release = '@@TRAINYARD_RELEASE_SHORT@@';
    expect(objects[1]).toMatchObject({
      spec: { template: { metadata: { labels: { app: 'cache', release } } } },
    });
    expect(JSON.stringify(objects[1]?.spec)).not.toContain('trainyard.dev');
    for (const service of objects.slice(3))
      expect(service).toMatchObject({ spec: { selector: { app: 'toy', 'trainyard.dev/release': release } } });
  });
});
