/** Releases for a cluster, as the stages before deploy would write them. */
import { putImage } from '../../src/package/image.ts';
import type { Stored } from '../../src/records/kind.ts';
import { modelPackage } from '../../src/records/package.ts';
import { type ProgramConfig, program, type ServerConfig } from '../../src/records/program.ts';
import { type ReleaseConfig, release } from '../../src/records/release.ts';
import type { KubernetesTarget } from '../../src/records/target.ts';
import { manifestLayers } from '../../src/release/kubernetes/manifests.ts';
import type { ManifestRequest } from '../../src/release/kubernetes/request.ts';
import type { Commit } from '../../src/source/commit.ts';
import { getServer } from '../../src/store/programs.ts';
import { getRecord, putRecord } from '../../src/store/records.ts';
import type { Store } from '../../src/store/store.ts';
import { recordingLog } from './log.ts';
import { putRelease, type ReleaseChoices } from './releases.ts';

export interface ClusterChoices extends Omit<ReleaseChoices, 'port'> {
  readonly target: KubernetesTarget;
  /** The server's container image, by digest; undefined for a server in Python. */
  readonly image: string | undefined;
  readonly secretReferences?: ReleaseConfig['secretReferences'];
  readonly probing?: ReleaseConfig['probing'];
  /** Where manifests of the project's own are. */
  readonly commit?: Commit;
  /** Whether the package has its image. */
  readonly hasImage?: boolean;
}

const NO_COMMIT: Commit = {
  id: '0'.repeat(40),
  ref: 'HEAD',
  repository: '',
  project: '.',
  files: new Map(),
  dirty: false,
  read: async () => [],
};

/** What a release for a cluster is made of, in a store; places are told as paths in `environments/test.yml`. */
export async function clusterRequest(store: Store, choices: ClusterChoices): Promise<ManifestRequest> {
  const { target, image, secretReferences, probing, commit = NO_COMMIT, hasImage = true, ...rest } = choices;
  const base = await putRelease(store, { port: 1, ...rest });
  const modelPack = await getRecord(store, modelPackage, base.manifest.subject?.digest ?? base.digest);
  if (hasImage) await putImage(store, store, modelPack, recordingLog());
  const server = await withImage(store, await getServer(store, base.config.server, 'the test'), image);
  return {
    commit,
    config: {
      ...base.config,
      server: server.digest,
      target,
      ...(secretReferences && { secretReferences }),
      ...(probing && { probing }),
    },
    server,
    package: modelPack,
    store,
    place: (path) => `environments/test.yml:${path.join('.')}`,
  };
}

/** A release for a cluster, with all that it stands on. */
export async function putClusterRelease(
  store: Store,
  choices: ClusterChoices,
): Promise<Stored<ReleaseConfig>> {
  const request = await clusterRequest(store, choices);
  return putRecord(store, release, {
    config: request.config,
    layers: await manifestLayers(request),
    subject: request.package,
  });
}

async function withImage(
  store: Store,
  server: Stored<ServerConfig>,
  image: string | undefined,
): Promise<Stored<ServerConfig>> {
  if (image === undefined) return server;
  const config: ServerConfig = { ...server.config, image };
  const { layers } = server.manifest;
  return { ...(await putRecord<ProgramConfig>(store, program, { config, layers })), config };
}
