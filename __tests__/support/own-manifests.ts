/** A project with manifests of its own, as a user might write them, and a package of it in a registry. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Digest } from '../../src/lib/digest.ts';
import { type ClusterObject, manifestList } from '../../src/records/cluster.ts';
import { kubernetesTarget } from '../../src/records/target.ts';
import { manifestLayers } from '../../src/release/kubernetes/manifests.ts';
import type { ManifestRequest } from '../../src/release/kubernetes/request.ts';
import { openCommit } from '../../src/source/commit.ts';
import { readBytes } from '../../src/store/records.ts';
import type { RegistryStore } from '../../src/store/registry/registry.ts';
import { type ClusterChoices, clusterRequest } from './cluster-releases.ts';
import { type Changes, makeRepository, type Repository } from './project.ts';
import { registryStores } from './registries.ts';
import { startRegistry } from './registry.ts';
import { refusalOf } from './workshop.ts';

export const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: "@@TRAINYARD_NAME@@-@@TRAINYARD_RELEASE_SHORT@@"
  labels: {app.kubernetes.io/name: mine}
spec:
  replicas: 2
  selector: {matchLabels: {app: toy, release: "@@TRAINYARD_RELEASE_SHORT@@"}}
  template:
    metadata:
      labels: {app: toy, release: "@@TRAINYARD_RELEASE_SHORT@@"}
    spec:
      containers:
        - name: server
          image: "@@TRAINYARD_SERVER_IMAGE@@"
          env: [{name: TRAINYARD_RELEASE, value: "@@TRAINYARD_RELEASE@@"}]
          envFrom: [{configMapRef: {name: "@@TRAINYARD_CONFIGMAP@@"}}]
          volumeMounts: [{name: model, mountPath: /model, readOnly: true}]
      volumes:
        - name: model
          image: {reference: "@@TRAINYARD_MODEL_IMAGE@@"}
`;

export const SERVICE = `apiVersion: v1
kind: Service
metadata: {name: "@@TRAINYARD_NAME@@"}
spec:
  ports: [{name: http, port: 80, targetPort: 8080}]
  selector: {app: toy, release: "@@TRAINYARD_RELEASE_SHORT@@"}
`;

/** The server's image, by a digest. */
export const IMAGE = `ghcr.io/acme/server@sha256:${'5'.repeat(64)}`;
export const TARGET = kubernetesTarget.parse({ kind: 'kubernetes', namespace: 'ml', manifests: 'k8s' });

export interface OwnManifests {
  readonly repository: Repository;
  readonly store: RegistryStore;
  readonly request: ManifestRequest;
  /** Another package, of another store. */
  other(choices: Partial<ClusterChoices>): Promise<ManifestRequest>;
  /** The digest of the manifests of a release of HEAD. */
  layer(changes?: Partial<ManifestRequest>): Promise<Digest>;
  /** The manifests themselves. */
  released(changes?: Partial<ManifestRequest>): Promise<ClusterObject[]>;
  /** Why a release of HEAD, after a commit of files, is refused: a line for each problem, without their title. */
  problems(files: Changes, changes?: Partial<ManifestRequest>): Promise<string[]>;
  /** The commit with which it began. */
  reset(): Promise<unknown>;
  close(): Promise<void>;
}

/** The project `toys/toy` of a repository, with manifests in `k8s`. */
export async function openOwnManifests(): Promise<OwnManifests> {
  const root = await mkdtemp(join(tmpdir(), 'trainyard-own-'));
  const stores = await registryStores(await startRegistry());
  const store = stores.open('toy');
  const repository = await makeRepository(join(root, 'work'), { project: 'toys/toy' });
  const base = await repository.commit({ 'k8s/deployment.yaml': DEPLOYMENT, 'k8s/service.yml': SERVICE });
  const usual = { target: TARGET, image: IMAGE, config: { THRESHOLD: 0.5 } };
  const request = await clusterRequest(store, usual);
  const layer = async (changes: Partial<ManifestRequest> = {}): Promise<Digest> => {
    const commit = await openCommit(repository.folder, repository.project);
    const [found] = await manifestLayers({ ...request, ...changes, commit });
    if (found === undefined) throw new Error('the release has no manifests');
    return found.digest;
  };
  return {
    repository,
    store,
    request,
    other: (choices) => clusterRequest(stores.open('other'), { ...usual, ...choices }),
    layer,
    released: async (changes) =>
      manifestList.parse(JSON.parse((await readBytes(store, await layer(changes))).toString())),
    problems: async (files, changes) => {
      await repository.commit(files);
      return (await refusalOf(layer(changes)))
        .replace(/^the manifests in toys\/toy\/k8s cannot be released: ?/, '')
        .split('\n')
        .map((line) => line.replace(/^ {2}- /, ''))
        .filter(Boolean);
    },
    reset: () => repository.git('reset', '-q', '--hard', base),
    close: async () => {
      await stores.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}
