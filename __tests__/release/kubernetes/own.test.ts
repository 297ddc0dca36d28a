/** Manifests of the user's own, from a real commit. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { hexOf } from '../../../src/lib/digest.ts';
import { type ClusterObject, manifestList } from '../../../src/records/cluster.ts';
import { kubernetesTarget } from '../../../src/records/target.ts';
import { manifestLayers } from '../../../src/release/kubernetes/manifests.ts';
import type { ManifestRequest } from '../../../src/release/kubernetes/request.ts';
import { openCommit } from '../../../src/source/commit.ts';
import { findImage } from '../../../src/store/find-image.ts';
import { readBytes } from '../../../src/store/records.ts';
import type { RegistryStore } from '../../../src/store/registry/registry.ts';
import { clusterRequest } from '../../support/cluster-releases.ts';
import { DEPLOYMENT, SERVICE } from '../../support/own-manifests.ts';
import { type Changes, makeRepository, type Repository } from '../../support/project.ts';
import { registryStores } from '../../support/registries.ts';
import { startRegistry } from '../../support/registry.ts';
import { refusalOf } from '../../support/workshop.ts';

const IMAGE = `ghcr.io/acme/server@sha256:${'5'.repeat(64)}`;
const PINNED = `docker.io/redis@sha256:${'7'.repeat(64)}`;
const target = kubernetesTarget.parse({ kind: 'kubernetes', namespace: 'ml', manifests: 'k8s' });

let root: string;
let stores: Awaited<ReturnType<typeof registryStores>>;
let store: RegistryStore;
let repository: Repository;
let request: ManifestRequest;
let base: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'trainyard-own-'));
  stores = await registryStores(await startRegistry(), { plainHttp: true });
  store = stores.open('toy');
  repository = await makeRepository(join(root, 'work'), { project: 'toys/toy' });
  base = await repository.commit({ 'k8s/deployment.yaml': DEPLOYMENT, 'k8s/service.yml': SERVICE });
  request = await clusterRequest(store, { target, image: IMAGE, config: { THRESHOLD: 0.5 } });
});
beforeEach(async () => {
  await repository.git('reset', '-q', '--hard', base);
});
afterAll(async () => {
  await stores.close();
  await rm(root, { recursive: true, force: true });
});

async function layersOf(changes: Partial<ManifestRequest> = {}) {
  const commit = await openCommit(repository.folder, repository.project);
  return manifestLayers({ ...request, ...changes, commit });
}

async function released(changes: Partial<ManifestRequest> = {}): Promise<ClusterObject[]> {
  const [layer] = await layersOf(changes);
  return manifestList.parse(JSON.parse((await readBytes(store, layer?.digest ?? IMAGE_DIGEST)).toString()));
}
const IMAGE_DIGEST = `sha256:${'0'.repeat(64)}` as const;

/** The problems of manifests after a commit, without their title. */
async function problems(files: Changes, changes: Partial<ManifestRequest> = {}): Promise<string[]> {
  await repository.commit(files);
  const message = await refusalOf(layersOf(changes));
  return message
    .replace(/^the manifests in toys\/toy\/k8s cannot be released: ?/, '')
    .split('\n')
    .map((line) => line.replace(/^ {2}- /, ''))
    .filter(Boolean);
}

describe('manifests of one’s own', () => {
  test('are released with what the release knows in them, our labels, and the Service last', async () => {
    const objects = await released();
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      'ConfigMap toy-test-@@TRAINYARD_RELEASE_SHORT@@',
      'Deployment toy-test-@@TRAINYARD_RELEASE_SHORT@@',
      'Service toy-test',
    ]);
    const digest = request.package.digest;
    const image = await findImage(store, `image-${hexOf(digest, 12)}`, digest);
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
            volumes: [{ name: 'model', image: { reference: `${store.client.name}@${image}` } }],
          },
        },
      },
    });
    expect(objects[2]).toMatchObject({ metadata: { namespace: 'ml', labels } });
  });

  test('are read as Kubernetes reads them: YAML 1.1, JSON, several documents, empty ones', async () => {
    const mode = '---\n# nothing\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: modes}\n';
    await repository.commit({
      'k8s/more.yaml': `${mode}data: {on: "1"}\nmode: 0644\nbinary: yes\ntime: 12:30\nday: 2026-01-02\n`,
      'k8s/json.json': '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json"}}',
      'k8s/notes.md': 'No manifest.',
      'k8s/deeper/other.yaml': 'kind: Nothing\n',
    });
    const objects = await released();
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
    const [before] = await layersOf();
    await repository.write({ 'k8s/service.yml': 'no: manifest\n' });
    expect((await layersOf())[0]?.digest).toBe(before?.digest);
  });
});

describe('manifests of one’s own are refused', () => {
  test('with everything that would let a workload collide or differ, each with file, line and fix', async () => {
    const deployment = DEPLOYMENT.replace(
      'name: "@@TRAINYARD_NAME@@-@@TRAINYARD_RELEASE_SHORT@@"',
      'name: toy',
    )
      .replace('matchLabels: {app: toy, release: "@@TRAINYARD_RELEASE_SHORT@@"}', 'matchLabels: {app: toy}')
      .replace('"@@TRAINYARD_SERVER_IMAGE@@"', 'ghcr.io/acme/server:latest')
      .replace('"@@TRAINYARD_MODEL_IMAGE@@"', 'ghcr.io/acme/model:v1')
      .replace('TRAINYARD_RELEASE, value', 'RELEASE, value');
    const found = await problems({ 'k8s/deployment.yaml': deployment });
    const place = (line: number, text: string) =>
      expect.stringMatching(new RegExp(`^toys/toy/k8s/deployment\\.yaml:${line}:\\d+: ${text}`));
    expect(found).toEqual([
      place(
        4,
        'Deployment toy would take the place of the one that serves; .* such as toy-@@TRAINYARD_RELEASE_SHORT@@$',
      ),
      place(8, 'Deployment toy would take the pods of other releases'),
      place(15, 'the image of container server of Deployment toy is ghcr\\.io/acme/server:latest; pin it'),
      place(21, 'a volume of Deployment toy is the image ghcr\\.io/acme/model:v1; pin it'),
      place(14, "the pods of Deployment toy don't know which release they are"),
      expect.stringMatching(/^toys\/toy\/k8s: no container runs the server of the release; give one image:/),
      expect.stringMatching(/^toys\/toy\/k8s: nothing brings the model of the release into the pod; mount/),
    ]);
  });

  test('with values of secrets, wherever they stand', async () => {
    const token = `ghp_${'a'.repeat(36)}`;
    const found = await problems({
      'k8s/secret.yaml':
        'apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\nstringData:\n  KEY: hush\n---\n' +
        `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata:\n  TOKEN: ${token}\n`,
    });
    expect(found).toEqual([
      expect.stringMatching(/secret\.yaml:2:7: Secret keys would put values of secrets into the release/),
      expect.stringMatching(/secret\.yaml:11:10: data\.TOKEN of ConfigMap c has the form of a GitHub token/),
    ]);
    expect(found.join()).not.toMatch(/hush|ghp_/);
  });

  test('with what is not of the namespace, is no object, or is there twice', async () => {
    const object = (kind: string, more: string): string =>
      `apiVersion: v1\nkind: ${kind}\nmetadata: {${more}}\n---\n`;
    const found = await problems({
      'k8s/more.yaml': `${object('Namespace', 'name: ml')}${object('ConfigMap', 'name: a, namespace: other')}${object('ConfigMap', 'name: b')}${object('ConfigMap', 'name: b')}${object('List', 'name: l')}text\n---\nkind: X\n`,
    });
    expect(found).toEqual([
      expect.stringMatching(/more\.yaml:2:7: Namespace ml belongs to the whole cluster/),
      expect.stringMatching(
        /more\.yaml:7:32: ConfigMap a is in the namespace other, and target\.namespace is ml/,
      ),
      expect.stringMatching(/more\.yaml:18:7: a List is not taken/),
      expect.stringMatching(/more\.yaml:21:1: an object of Kubernetes is needed here/),
      expect.stringMatching(/more\.yaml:23:1: apiVersion: /),
      expect.stringMatching(/more\.yaml:15:18: ConfigMap b is written twice; the first is .*more\.yaml:9:1$/),
    ]);
  });

  test('without a switch, or with one that switches nothing', async () => {
    expect(await problems({ 'k8s/service.yml': undefined })).toEqual([
      expect.stringMatching(/^toys\/toy\/k8s: no Service selects one release, so there is nothing to switch/),
    ]);
    const [first = ''] = await problems({ 'k8s/service.yml': SERVICE.replace('app: toy, ', 'app: other, ') });
    expect(first).toMatch(/service\.yml:6:\d+: Service toy-test selects no Deployment of these manifests/);
    const both = SERVICE.replace('@@TRAINYARD_NAME@@', 'second-@@TRAINYARD_RELEASE_SHORT@@');
    expect(await problems({ 'k8s/service.yml': `${both}---\n${SERVICE}` })).toEqual([
      expect.stringMatching(/service\.yml:13:\d+: Service toy-test selects one release, as Service second-/),
      expect.stringMatching(/service\.yml:3:\d+: Service second-.* has the release in its name/),
    ]);
    const open = SERVICE.replace(', release: "@@TRAINYARD_RELEASE_SHORT@@"', '').replace(
      '@@TRAINYARD_NAME@@',
      'all',
    );
    expect(await problems({ 'k8s/service.yml': `${open}---\n${SERVICE}` })).toEqual([
      expect.stringMatching(/service\.yml:6:\d+: Service all selects pods of all releases at once/),
    ]);
  });

  test('with placeholders that are unknown, or have no value here', async () => {
    expect(
      await problems({ 'k8s/service.yml': SERVICE.replace('@@TRAINYARD_NAME@@', '@@TRAINYARD_NAMES@@') }),
    ).toEqual([
      expect.stringMatching(
        /service\.yml:3:\d+: @@TRAINYARD_NAMES@@ is not known; known are @@TRAINYARD_RELEASE@@, /,
      ),
    ]);
    const bare = await clusterRequest(stores.open('bare'), { target, image: IMAGE, hasImage: false });
    expect(await problems({ 'k8s/service.yml': SERVICE }, bare)).toEqual([
      expect.stringMatching(
        /deployment\.yaml:21:\d+: @@TRAINYARD_MODEL_IMAGE@@ has no value: the package has no image; set model: \{image: true\}/,
      ),
      expect.stringMatching(
        /a volume of Deployment toy-test-.* is the image @@TRAINYARD_MODEL_IMAGE@@; pin it/,
      ),
    ]);
    const unquoted = (await problems({ 'k8s/service.yml': SERVICE.replaceAll('"', '') })).join(' ');
    expect(unquoted).toMatch(/service\.yml is not YAML.*Put placeholders that begin a value into quotes/);
  });

  test('with settings and secrets that reach no container', async () => {
    const config = {
      ...request.config,
      secrets: ['API_KEY'],
      secretReferences: { DB: { secretKeyRef: { name: 'db', key: 'password' } } },
    };
    const without = DEPLOYMENT.replace(/ +envFrom:.*\n/, '');
    expect(await problems({ 'k8s/deployment.yaml': without }, { config })).toEqual([
      expect.stringMatching(
        /^toys\/toy\/k8s: the configuration \(THRESHOLD\) reaches no container; give the server envFrom/,
      ),
      expect.stringMatching(
        /the secrets \(API_KEY\) reach no container; give .*secretRef: \{name: "@@TRAINYARD_SECRET@@"/,
      ),
      expect.stringMatching(/the secret DB reaches no container; give the server \{name: DB, valueFrom/),
    ]);
    const named = DEPLOYMENT.replace('@@TRAINYARD_CONFIGMAP@@', '@@TRAINYARD_SECRET@@');
    expect(
      await problems({ 'k8s/deployment.yaml': named }, { config: { ...request.config, config: {} } }),
    ).toEqual([expect.stringMatching(/@@TRAINYARD_SECRET@@ is named, and no Secret will be there/)]);
  });

  test('when there are none', async () => {
    const none = { ...request.config, target: { ...target, manifests: 'cluster' } };
    expect(await refusalOf(layersOf({ config: none }))).toMatch(
      /toys\/toy\/cluster holds no manifest .* folders of the project with YAML files are environments, k8s$/,
    );
  });

  test('when a workload has no pod, and takes others of every kind', async () => {
    const job = `apiVersion: batch/v1
kind: CronJob
metadata: {name: clean}
spec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: "redis"}]}}}}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: none}
spec: {}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: "redis-@@TRAINYARD_RELEASE_SHORT@@"}
spec:
  selector: {matchLabels: {app: redis, release: "@@TRAINYARD_RELEASE_SHORT@@"}}
  template:
    metadata: {labels: {app: redis, release: "@@TRAINYARD_RELEASE_SHORT@@"}}
    spec: {containers: [{name: c, image: "${PINNED}"}]}
`;
    expect(await problems({ 'k8s/jobs.yaml': job })).toEqual([
      expect.stringMatching(/jobs\.yaml:9:\d+: spec\.template of StatefulSet none: /),
      expect.stringMatching(/jobs\.yaml:3:\d+: CronJob clean would take the place/),
      expect.stringMatching(
        /jobs\.yaml:4:\d+: the pods of CronJob clean are not told from those of other releases/,
      ),
      expect.stringMatching(/jobs\.yaml:4:\d+: the image of container c of CronJob clean is redis; pin it/),
    ]);
  });
});
