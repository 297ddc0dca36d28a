/** What keeps a release from running on a cluster is told before there is a release, all of it at once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hexOf } from '../../../src/lib/digest.ts';
import { canonicalBytes } from '../../../src/lib/json.ts';
import { IMAGE_INDEX, IMAGE_MANIFEST } from '../../../src/records/oci.ts';
import { kubernetesTarget } from '../../../src/records/target.ts';
import { manifestLayers } from '../../../src/release/kubernetes/manifests.ts';
import { readSource } from '../../../src/release/kubernetes/source.ts';
import { LayoutStore } from '../../../src/store/layout.ts';
import type { Store } from '../../../src/store/store.ts';
import { type ClusterChoices, clusterRequest } from '../../support/cluster-releases.ts';
import { putServer } from '../../support/programs.ts';
import { registryStores } from '../../support/registries.ts';
import { startRegistry } from '../../support/registry.ts';
import { refusalOf } from '../../support/workshop.ts';

const IMAGE = `ghcr.io/acme/server@sha256:${'5'.repeat(64)}`;
const target = kubernetesTarget.parse({ kind: 'kubernetes', namespace: 'ml' });

let stores: Awaited<ReturnType<typeof registryStores>>;
let folder: string;
let repositories = 0;
beforeAll(async () => {
  stores = await registryStores(await startRegistry());
  folder = await mkdtemp(join(tmpdir(), 'trainyard-refusals-'));
});
afterAll(async () => {
  await stores.close();
  await rm(folder, { recursive: true, force: true });
});

const newStore = (): Store => stores.open(`refused-${repositories++}`);

async function refusal(choices: Partial<ClusterChoices> = {}, store: Store = newStore()): Promise<string> {
  return refusalOf(manifestLayers(await clusterRequest(store, { target, image: IMAGE, ...choices })));
}

describe('a release for a cluster is refused', () => {
  test('when its store is no registry and its server no image, in one message', async () => {
    const yard = new LayoutStore(join(folder, 'yard'), '/srv/models');
    expect((await refusal({ image: undefined }, yard)).split('\n')).toEqual([
      'the release cannot run on Kubernetes:',
      '  - environments/test.yml:target.kind: a pod needs a container image, and the server of the package has a Python environment alone; give server.image: HOST/REPO@sha256:… in trainyard.yml, too, and package again',
      '  - environments/test.yml:target.kind: pods pull the model from a registry, and the store is /srv/models, which no cluster can reach; give input store as oci://HOST/REPOSITORY',
    ]);
  });

  test('when the package has no image to mount', async () => {
    expect(await refusal({ hasImage: false })).toMatch(
      /^the release cannot run on Kubernetes: environments\/test\.yml:target\.kind: the model is mounted as an image, and the package has no image; set model: \{image: true\} in trainyard\.yml and package again, or let an init container pull/,
    );
  });

  test.each([
    ['raw layers', 'application/vnd.cncf.model.weight.v1.raw', 'application/vnd.oci.image.config.v1+json'],
    [
      'a configuration of another kind',
      'application/vnd.oci.image.layer.v1.tar',
      'application/vnd.cncf.model.config.v1+json',
    ],
  ])(
    'when that image has %s, which runtimes mount as an empty folder',
    async (_what, mediaType, configType) => {
      const store = newStore();
      const request = await clusterRequest(store, { target, image: IMAGE });
      const [layer] = request.package.manifest.layers;
      const config = { ...(await store.write({ bytes: Buffer.from('{}') })), mediaType: configType };
      const manifest = {
        schemaVersion: 2,
        mediaType: IMAGE_MANIFEST,
        config,
        layers: [{ ...layer, mediaType }],
      };
      const bytes = canonicalBytes(manifest);
      const platform = { architecture: 'amd64', os: 'linux' };
      const entry = {
        mediaType: IMAGE_MANIFEST,
        digest: await store.put(bytes, ['odd']),
        size: bytes.length,
      };
      const { digest, size, manifest: packaged } = request.package;
      const manifests = [
        { ...entry, platform },
        { mediaType: IMAGE_MANIFEST, digest, size, artifactType: packaged.artifactType },
      ];
      const index = canonicalBytes({ schemaVersion: 2, mediaType: IMAGE_INDEX, manifests });
      await store.put(index, [`image-${hexOf(digest, 12)}`]);
      const message = await refusalOf(manifestLayers(request));
      expect(message).toContain(
        `${entry.digest} in it is no image (it has ${[mediaType, configType].find((type) => !/oci/.test(type))})`,
      );
      expect(message).toContain('of which a runtime would mount an empty folder');
    },
  );

  test('when a value of its configuration would be taken for a placeholder', async () => {
    expect(await refusal({ config: { A: 'x', B: ['@@TRAINYARD_RELEASE@@'] } })).toMatch(
      /target\.kind: the value of B holds @@TRAINYARD_, by which manifests are filled in; take it out of config$/,
    );
  });

  test('when its configuration is more than a ConfigMap holds', async () => {
    expect(await refusal({ config: { TEXT: 'ä'.repeat(2 ** 19), MORE: 1 } })).toMatch(
      /the configuration has 1048577 bytes, and a ConfigMap takes 1048576; leave large values to files$/,
    );
  });

  test('when the server’s source is more than a ConfigMap holds', async () => {
    const store = newStore();
    const request = await clusterRequest(store, { target, image: IMAGE });
    const large = await putServer(store, { 'a.bin': 'a'.repeat(2 ** 20), 'run.sh': '#!/bin/sh\n' });
    const server = { ...request.server, manifest: large.manifest };
    expect(await refusalOf(manifestLayers({ ...request, server }))).toMatch(
      /the server's source has 1048586 bytes, and comes into the pod as a ConfigMap of at most 1048576; leave in server\.source what changes/,
    );
    expect((await readSource(store, large.manifest)).map((file) => [file.path, file.isExecutable])).toEqual([
      ['a.bin', false],
      ['run.sh', true],
    ]);
  });
});

describe('the target kubernetes', () => {
  const problems = (more: object): string[] =>
    (kubernetesTarget.safeParse({ kind: 'kubernetes', namespace: 'ml', ...more }).error?.issues ?? []).map(
      ({ path, message }) => `${path.join('.')}: ${message}`,
    );

  test('takes what Kubernetes takes', () => {
    const resources = {
      requests: { cpu: 0.5, memory: '1.5Gi' },
      limits: { 'nvidia.com/gpu': '1', cpu: '1e3' },
    };
    expect(problems({ resources, replicas: 2, model: 'image-volume', user: 1000, context: 'gke_a' })).toEqual(
      [],
    );
    expect(problems({ manifests: 'k8s/base' })).toEqual([]);
  });

  test('names what it does not', () => {
    expect(problems({ namespace: 'ML' })).toEqual([
      'namespace: a name of Kubernetes: up to 63 of a-z 0-9 and - between them',
    ]);
    expect(problems({ resources: { limits: { cpu: 'two' } } })).toEqual([
      'resources.limits.cpu: a quantity of Kubernetes such as 2, 500m or 4Gi',
    ]);
    expect(problems({ model: { init: 'oras:latest' } })).toEqual([
      'model.init: an image pinned by digest: HOST/REPO@sha256:…',
    ]);
    expect(problems({ user: 0 })[0]).toMatch(/^user: /);
    expect(problems({ manifests: '../k8s' })).toEqual([
      'manifests: a relative path inside the folder, with / and without ..',
    ]);
  });

  test('says once what manifests of one’s own say', () => {
    expect(problems({ manifests: 'k8s', port: 80, replicas: 2, model: 'image-volume' })).toEqual([
      'port: your own manifests say this; leave it out beside manifests',
      'replicas: your own manifests say this; leave it out beside manifests',
      'model: your own manifests say this; leave it out beside manifests',
    ]);
  });
});
