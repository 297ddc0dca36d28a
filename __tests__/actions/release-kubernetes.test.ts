/** From a commit to a release for a cluster, by the actions alone; the store is a registry. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { manifestList } from '../../src/records/cluster.ts';
import { MANIFESTS_LAYER, release } from '../../src/records/release.ts';
import { getRecord, readBytes } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { type Registry, startRegistry } from '../support/registry.ts';
import { digestIn, openWorkshop, refusalOf, testJob, type Workshop } from '../support/workshop.ts';

const IMAGE = `ghcr.io/acme/server@sha256:${'5'.repeat(64)}`;
const PYTHON = 'python: {requirements: serve.txt}';
const TARGET = `target:
  kind: kubernetes
  namespace: ml
  replicas: 2
config: {THRESHOLD: 0.4}
secrets: [API_KEY]
`;

let shop: Workshop;
let registry: Registry;
let location: string;
let store: Store;
let made: Awaited<ReturnType<Workshop['trained']>>;
beforeAll(async () => {
  registry = await startRegistry();
  location = `oci://${registry.host}/acme/toy`;
  shop = await openWorkshop();
  store = await testJob(shop.repository.folder).openStore(location, 'store');
  await shop.repository.edit('trainyard.yml', PYTHON, `${PYTHON}\n  image: ${IMAGE}`);
  await shop.repository.edit('trainyard.yml', 'card: MODEL.md}', 'card: MODEL.md, image: true}');
  await shop.repository.commit({ 'environments/cluster.yml': TARGET });
  made = await shop.trained();
}, 60_000);
afterAll(async () => {
  await registry.close();
  await shop.remove();
});

const inputs = () => ({ store: location, environment: 'cluster' });

test('a package with an image is released with its manifests, the same again and again, and for a machine, too', async () => {
  const packaged = await shop.package(made.built, made.run, { store: location });
  const of = digestIn(packaged.outputs, 'package');
  const { outputs, summary } = await shop.release(of, inputs());
  const { digest, config, manifest } = await getRecord(store, release, digestIn(outputs, 'release'));
  expect(config.target).toEqual({ kind: 'kubernetes', namespace: 'ml', replicas: 2 });
  const layer = manifest.layers.find(({ mediaType }) => mediaType === MANIFESTS_LAYER);
  const text = (await readBytes(store, layer?.digest ?? digest)).toString();
  expect(manifestList.parse(JSON.parse(text)).map(({ kind }) => kind)).toEqual([
    'ConfigMap',
    'ConfigMap',
    'PodDisruptionBudget',
    'Deployment',
    'Service',
  ]);
  expect(text).toContain(IMAGE);
  expect(text).toContain('/trainyard/model/models/model.onnx');
  expect(summary).toContain('kubernetes: namespace <code>&#34;ml&#34;</code>');
  expect(digestIn((await shop.release(of, inputs())).outputs, 'release')).toBe(digest);
  const onMachine = await shop.release(of, { store: location, environment: 'staging' });
  const { config: other, manifest: its } = await getRecord(
    store,
    release,
    digestIn(onMachine.outputs, 'release'),
  );
  expect([other.target.kind, other.server, its.subject]).toEqual([
    'process',
    config.server,
    manifest.subject,
  ]);
}, 60_000);

test('a store that is a folder is refused with its place, before anything is written', async () => {
  const packaged = digestIn((await made.pack()).outputs, 'package');
  const before = await shop.store.names('');
  expect(await refusalOf(shop.release(packaged, { environment: 'cluster' }))).toMatch(
    /^the release cannot run on Kubernetes: environments\/cluster\.yml:2:9: pods pull the model from a registry, and the store is .*yard/,
  );
  expect(await shop.store.names('')).toEqual(before);
});

test('a server in an image alone is refused on a machine', async () => {
  await shop.repository.edit('trainyard.yml', `  ${PYTHON}\n`, '');
  const packaged = digestIn((await (await shop.trained()).pack()).outputs, 'package');
  expect(await refusalOf(shop.release(packaged, { environment: 'staging' }))).toMatch(
    /environments\/staging\.yml:1:16: a machine runs a Python environment, .* give server\.python in trainyard\.yml, too/,
  );
});

test('what the target does not know is told with its place', async () => {
  await shop.repository.commit({
    'environments/cluster.yml':
      'target: {kind: kubernetes, namespace: ML, replica: 2, manifests: k8s, user: 5}\n',
  });
  const packaged = digestIn((await made.pack()).outputs, 'package');
  const message = await refusalOf(shop.release(packaged, { environment: 'cluster' }));
  expect(message).toMatch(/cluster\.yml:1:39: target\.namespace: a name of Kubernetes/);
  expect(message).toMatch(
    /cluster\.yml:1:43: target: unknown key "replica"; allowed are kind, namespace, context, port/,
  );
});
