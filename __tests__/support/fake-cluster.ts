/** Releases with manifests of their own at the stand-in for an API server, and what deploys do to them there. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { editionOf } from '../../src/deploy/kubernetes/edition.ts';
import { type Manifests, readManifests } from '../../src/deploy/kubernetes/manifests.ts';
import type { Place } from '../../src/deploy/kubernetes/place.ts';
import { Resources } from '../../src/deploy/kubernetes/resources.ts';
import { KubernetesTarget } from '../../src/deploy/kubernetes/target.ts';
import type { Digest } from '../../src/lib/digest.ts';
import { canonicalBytes } from '../../src/lib/json.ts';
import { type ClusterObject, RELEASE, RELEASE_ANNOTATION, RELEASE_SHORT } from '../../src/records/cluster.ts';
import { clusterLabels } from '../../src/records/cluster-names.ts';
import { MANIFESTS_LAYER, release } from '../../src/records/release.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { layer, putRecord } from '../../src/store/records.ts';
import { ApiServer } from './api-server.ts';
import { putRelease } from './releases.ts';

const CORE = '/api/v1/namespaces/ns';
const metadata = (name: string) => ({
  name,
  namespace: 'ns',
  labels: clusterLabels('toy', 'test'),
  annotations: { [RELEASE_ANNOTATION]: RELEASE },
});

/** A Service of a release. */
export const aService = (name: string): ClusterObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: metadata(name),
  spec: { selector: clusterLabels('toy', 'test'), ports: [{ port: 80 }] },
});

/** A ConfigMap of a release. */
export const aConfigMap = (name: string): ClusterObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: metadata(name),
});

/** A Job of a release. */
export const aJob = (name: string, spec: object = {}): ClusterObject => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: metadata(name),
  spec,
});

/** A Deployment of a release. @param container fields of its only container */
export const aDeployment = (container: object = {}, pod: object = {}): ClusterObject => {
  const { labels, annotations } = metadata('');
  const template = {
    metadata: { labels, annotations },
    spec: { containers: [{ name: 'server', image: 'server', ...container }], ...pod },
  };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: metadata(`toy-${RELEASE_SHORT}`),
    spec: { replicas: 1, template },
  };
};

export class FakeCluster {
  readonly server: ApiServer;
  readonly place: Place;
  /** What a deploy asks before it removes anything. */
  check = async (): Promise<void> => {};
  readonly #folder: string;

  static async start(outageSeconds?: number): Promise<FakeCluster> {
    const server = await ApiServer.start();
    return new FakeCluster(server, await mkdtemp(join(tmpdir(), 'yard-')), outageSeconds);
  }

  private constructor(server: ApiServer, folder: string, outageSeconds?: number) {
    this.server = server;
    this.#folder = folder;
    const api = server.api(outageSeconds);
    this.place = {
      api,
      resources: new Resources(api, 'ns'),
      namespace: 'ns',
      name: 'toy',
      environment: 'test',
      store: new LayoutStore(folder),
      log: server.log,
      check: () => this.check(),
    };
  }

  /** A release with these manifests in the store. */
  async release(objects: readonly ClusterObject[], config: Record<string, string> = {}): Promise<Digest> {
    const { store } = this.place;
    const base = await putRelease(store, { port: 1, config });
    const blob = await store.write({ bytes: canonicalBytes([...objects]) });
    const layers = [layer(MANIFESTS_LAYER, blob, 'manifests.json')];
    return (await putRecord(store, release, { config: base.config, layers })).digest;
  }

  manifests(digest: Digest): Promise<Manifests> {
    return readManifests(this.place, editionOf(digest));
  }

  async target(digest: Digest, token: number, secrets = {}): Promise<KubernetesTarget> {
    const { place } = this;
    return new KubernetesTarget({ place, manifests: await this.manifests(digest), secrets, token });
  }

  /** The release that a Service names; undefined where there is none of that name. */
  named(service: string): string | undefined {
    return this.server.objects.get(`${CORE}/services/${service}`)?.metadata.annotations?.[RELEASE_ANNOTATION];
  }

  /** A pod of a release; a ready one with its image, unless others are given. */
  pod(name: string, { own, release: digest }: Manifests, status: object = READY, image = 'server'): void {
    const template = own.find(({ kind }) => kind === 'Deployment');
    const { labels, annotations } = template?.metadata ?? {};
    const spec = { containers: [{ name: 'server', image }] };
    const creationTimestamp = new Date().toISOString();
    const named = { ...annotations, [RELEASE_ANNOTATION]: digest };
    const head = { name, labels, annotations: named, creationTimestamp };
    this.server.put(`${CORE}/pods/${name}`, { metadata: head, spec, status });
  }

  /** The Deployments of a release say how many of their pods are there and ready, and these conditions. */
  says({ own }: Manifests, done: number, conditions: readonly object[] = []): void {
    const creationTimestamp = new Date(0).toISOString();
    const status = { replicas: done, updatedReplicas: done, availableReplicas: done, conditions };
    for (const object of own.filter(({ kind }) => kind === 'Deployment'))
      this.server.put(`/apis/apps/v1/namespaces/ns/deployments/${object.metadata.name}`, {
        ...object,
        metadata: { ...object.metadata, creationTimestamp },
        status,
      });
  }

  /** To which pods a Service leads. */
  leads(service: string, pods: readonly string[]): void {
    const labels = { 'kubernetes.io/service-name': service };
    const endpoints = pods.map((name) => ({ conditions: { ready: true }, targetRef: { kind: 'Pod', name } }));
    const path = `/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices/${service}-1`;
    this.server.put(path, { metadata: { name: `${service}-1`, labels }, endpoints });
  }

  /** The registry is gone. */
  async loseStore(): Promise<void> {
    await rm(this.#folder, { recursive: true });
  }

  async close(): Promise<void> {
    await this.server.close();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const READY = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
