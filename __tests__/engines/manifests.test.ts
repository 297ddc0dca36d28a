/** The manifests of releases, taken by a real API server and run by a real kubelet. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { hexOf } from '../../src/lib/digest.ts';
import { type ClusterObject, fillManifests, manifestList } from '../../src/records/cluster.ts';
import type { Stored } from '../../src/records/kind.ts';
import { MANIFESTS_LAYER, type ReleaseConfig } from '../../src/records/release.ts';
import { kubernetesTarget } from '../../src/records/target.ts';
import { openCommit } from '../../src/source/commit.ts';
import { readBytes } from '../../src/store/records.ts';
import { openRegistry } from '../../src/store/registry/open.ts';
import type { RegistryStore } from '../../src/store/registry/registry.ts';
import { answerOf, question } from '../support/cluster/model.ts';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { type ClusterChoices, putClusterRelease } from '../support/cluster-releases.ts';
import { DEPLOYMENT, SERVICE } from '../support/own-manifests.ts';
import { makeRepository, type Repository } from '../support/project.ts';
import { registryPlace } from '../support/registries.ts';
import { refusalOf } from '../support/workshop.ts';

const MODEL = 'the weights of a model';
const NAMESPACE = 'ml';

let cluster: Cluster;
let folder: string;
let store: RegistryStore;
let repository: Repository;
beforeAll(async () => {
  cluster = await startCluster();
  folder = await mkdtemp(join(tmpdir(), 'trainyard-manifests-'));
  const place = registryPlace(folder, { plainHttp: [cluster.registry] });
  store = openRegistry(`oci://${cluster.registry}/acme/toy`, 'store', place);
  repository = await makeRepository(join(folder, 'work'));
  await cluster.kubectl('create', 'namespace', NAMESPACE);
  await cluster.kubectl(
    'create',
    'secret',
    'generic',
    'db',
    '--from-literal=password=open',
    '--namespace',
    NAMESPACE,
  );
}, 1_800_000);
afterAll(async () => {
  await cluster.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const target = (more: object = {}) =>
  kubernetesTarget.parse({ kind: 'kubernetes', namespace: NAMESPACE, ...more });

/** A release of the test server, and its objects as deploy would apply them. */
async function released(choices: Partial<ClusterChoices> = {}) {
  const made = await putClusterRelease(store, {
    image: cluster.images.modelServer,
    target: target(),
    model: MODEL,
    server: {
      command: ['/bin/model-server', '--model', '${model}', '--port', '${port}'],
      ready: '/v2/health/ready',
    },
    ...choices,
  });
  return { made, objects: fillManifests(await manifestsOf(made), made.digest) };
}

async function manifestsOf({ manifest, digest }: Stored<ReleaseConfig>): Promise<ClusterObject[]> {
  const layer = manifest.layers.find(({ mediaType }) => mediaType === MANIFESTS_LAYER);
  return manifestList.parse(JSON.parse((await readBytes(store, layer?.digest ?? digest)).toString()));
}

/** What the API server would keep of the objects; it refuses a field that it does not know. */
async function taken(objects: readonly ClusterObject[]): Promise<ClusterObject[]> {
  const file = join(folder, 'objects.json');
  await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
  const how = ['--server-side', '--dry-run=server', '--validate=strict', '--output=json'];
  const text = await cluster.kubectl('apply', ...how, `--filename=${file}`);
  const { items } = z.object({ items: z.unknown() }).parse(JSON.parse(text));
  return manifestList.parse(items);
}

async function rolledOut(objects: readonly ClusterObject[]): Promise<void> {
  await cluster.apply(...objects);
  const name = objects.find(({ kind }) => kind === 'Deployment')?.metadata.name;
  await cluster
    .kubectl('rollout', 'status', `deployment/${name}`, '--namespace', NAMESPACE, '--timeout=60s')
    .catch(async (error: unknown) => {
      throw new Error(await cluster.diagnose(), { cause: error });
    });
}

async function ask(service: string, path: string, body?: object) {
  const { host } = await cluster.service(service, NAMESPACE);
  const how = body && { method: 'POST', body: JSON.stringify(body) };
  const answer = await fetch(`http://${host}${path}`, { headers: { connection: 'close' }, ...how });
  return { answer, json: await answer.json() };
}

describe('the manifests of a release', () => {
  test.each([
    ['as they are', {}],
    [
      'with all that a target can say',
      {
        replicas: 3,
        port: 9000,
        user: 1000,
        'pull-secret': 'ghcr',
        resources: { requests: { cpu: '10m' }, limits: { memory: '1Gi', 'nvidia.com/gpu': 1 } },
      },
    ],
    [
      'with a model that is pulled',
      { model: { init: `oras@sha256:${'a'.repeat(64)}` }, 'pull-secret': 'ghcr' },
    ],
  ])('are taken by the API server word for word: %s', async (_what, more) => {
    const { objects } = await released({
      target: target(more),
      config: { THRESHOLD: 0.5 },
      secrets: ['API_KEY'],
      secretReferences: { DB: { secretKeyRef: { name: 'db', key: 'password' } } },
      environment: 'Staging.EU',
    });
    const found = await taken(objects);
    expect(found.map(({ kind, metadata }) => [kind, metadata.name])).toEqual(
      objects.map(({ kind, metadata }) => [kind, metadata.name]),
    );
    // Nothing is dropped: what a server does not know is left out without a word.
    found.forEach((one, index) => {
      expect(one).toMatchObject({
        ...objects[index],
        metadata: expect.objectContaining(objects[index]?.metadata ?? {}),
      });
    });
  });

  test('run: the pod has the model from its image, its settings, secrets and source, and few rights', async () => {
    const { made, objects } = await released({
      config: { OFFSET: 2, LIST: [1, 2] },
      secretReferences: { DB: { secretKeyRef: { name: 'db', key: 'password' } } },
      environment: 'image',
    });
    await rolledOut(objects);
    const { answer, json } = await ask('toy-image', '/v2/models/toy/infer', question([1]));
    expect(json).toEqual(answerOf('toy', Buffer.from(MODEL), [3]));
    expect(answer.headers.get('x-trainyard-release')).toBe(made.digest);
    const { env } = z.object({ env: z.array(z.string()) }).parse((await ask('toy-image', '/env')).json);
    const set = [
      'OFFSET=2',
      'LIST=[1,2]',
      'DB=open',
      'HOME=/tmp',
      'PORT=8080',
      `TRAINYARD_RELEASE=${made.digest}`,
    ];
    expect(env).toEqual(expect.arrayContaining(set));
    expect(env.join()).not.toMatch(/_SERVICE_HOST=(?!10\.)|TOY_IMAGE/);
  }, 120_000);

  test('run: an init container pulls the package, by the reference that the store has', async () => {
    const { objects } = await released({
      target: target({ model: { init: cluster.images.oras } }),
      hasImage: false,
      environment: 'pulled',
    });
    await rolledOut(objects);
    const { json } = await ask('toy-pulled', '/v2/models/toy/infer', question([1]));
    expect(json).toEqual(answerOf('toy', Buffer.from(MODEL), [1]));
  }, 120_000);
});

describe('manifests of one’s own', () => {
  const manifests = target({ manifests: 'k8s' });

  test('are taken and run', async () => {
    await repository.commit({ 'k8s/all.yaml': `${withModel(DEPLOYMENT)}---\n${SERVICE}` });
    const commit = await openCommit(repository.folder, '.');
    const { made, objects } = await released({
      target: manifests,
      commit,
      config: { OFFSET: 1 },
      environment: 'own',
    });
    expect(await taken(objects)).toHaveLength(3);
    await rolledOut(objects);
    const { answer, json } = await ask('toy-own', '/v2/models/toy/infer', question([1]));
    expect(json).toEqual(answerOf('toy', Buffer.from(MODEL), [2]));
    expect(answer.headers.get('x-trainyard-release')).toBe(made.digest);
  }, 120_000);

  test('may be a kustomization of the commit, with bases and files beside it', async () => {
    await repository.commit({
      'k8s/all.yaml': undefined,
      'k8s/kustomization.yaml': `resources: [../base, service.yaml]
patches:
  - path: replicas.yaml
    target: {kind: Deployment}
`,
      'k8s/replicas.yaml': '- {op: replace, path: /spec/replicas, value: 1}\n',
      'k8s/service.yaml': SERVICE,
      'base/kustomization.yaml': `resources: [deployment.yaml]
configMapGenerator:
  - name: "notes-@@TRAINYARD_RELEASE_SHORT@@"
    files: [notes.txt]
`,
      'base/deployment.yaml': withModel(DEPLOYMENT),
      'base/notes.txt': 'as committed\n',
    });
    await repository.write({ 'base/notes.txt': 'as changed since\n' });
    const commit = await openCommit(repository.folder, '.');
    const { made, objects } = await released({
      target: manifests,
      commit,
      config: { OFFSET: 1 },
      environment: 'kustom',
    });
    const short = hexOf(made.digest, 12);
    expect(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`)).toEqual([
      `ConfigMap toy-kustom-${short}`,
      expect.stringMatching(new RegExp(`^ConfigMap notes-${short}-`)),
      `Deployment toy-kustom-${short}`,
      'Service toy-kustom',
    ]);
    expect(objects[1]).toMatchObject({ data: { 'notes.txt': 'as committed\n' } });
    expect(objects[2]).toMatchObject({ spec: { replicas: 1 } });
    expect(await taken(objects)).toHaveLength(4);
  });
  test('which kustomize refuses are told in its words, without a path of this machine', async () => {
    await repository.commit({ 'k8s/kustomization.yaml': 'resources: [service.yaml]\nnoSuchField: 1\n' });
    const commit = await openCommit(repository.folder, '.');
    const message = await refusalOf(released({ target: manifests, commit }));
    expect(message).toMatch(/^k8s\/kustomization\.yaml cannot be built: .*unknown field "noSuchField"/);
    expect(message).not.toContain(folder);
    const kustomization =
      'resources: [service.yaml, deployment.yaml]\nimages: [{name: model, newName: other}]\n';
    const deployment = withModel(DEPLOYMENT).replace('"@@TRAINYARD_SERVER_IMAGE@@"', 'model:1');
    await repository.commit({
      'k8s/kustomization.yaml': kustomization,
      'k8s/deployment.yaml': deployment,
    });
    const unpinned = released({ target: manifests, commit: await openCommit(repository.folder, '.') });
    expect(await refusalOf(unpinned)).toContain(
      'k8s/kustomization.yaml: spec.template.spec.containers.0.image: the image of container server of Deployment toy-test-@@TRAINYARD_RELEASE_SHORT@@ is other:1; pin it',
    );
  });
});

function withModel(deployment: string): string {
  const command = 'command: [/bin/model-server, --model, /model/models/model.bin]';
  return deployment.replace('          env:', `          ${command}\n          env:`);
}
