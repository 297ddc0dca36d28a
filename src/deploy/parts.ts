import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { Stored } from '../records/kind.ts';
import { TITLE } from '../records/oci.ts';
import { type ModelConfig, modelPackage } from '../records/package.ts';
import { program, type ServerConfig } from '../records/program.ts';
import { type ReleaseConfig, release } from '../records/release.ts';
import { copyRecord } from '../store/copy.ts';
import { getManifest, getRecord, readBytes } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { parseGolden } from './golden.ts';
import type { Probes } from './prove.ts';

/** What a release consists of. */
export interface Parts {
  readonly release: Stored<ReleaseConfig>;
  readonly modelPack: Stored<ModelConfig>;
  /** The Run that made the model. */
  readonly run: Digest;
  readonly server: Stored<ServerConfig>;
}

/** Brings a release with its package and server to the machine, of what they stand on manifest and configuration. */
export async function fetchRelease(
  from: Store,
  to: Store,
  { digest, config }: Stored<ReleaseConfig>,
): Promise<void> {
  await copyRecord(from, to, digest, (kind) => kind === 'release' || kind === 'package');
  await copyRecord(from, to, config.server);
}

/** Reads what a release consists of; layers are not read. */
export async function readParts(store: Store, digest: Digest): Promise<Parts> {
  const found = await getRecord(store, release, digest);
  const modelPack = await getRecord(store, modelPackage, subjectOf(found));
  const { config, ...server } = await getRecord(store, program, found.config.server);
  if (config.role !== 'server')
    throw new UserError(`release ${digest} names a trainer as its server; make it again`);
  return { release: found, modelPack, run: subjectOf(modelPack), server: { ...server, config } };
}

/** The golden requests of a release; none where its layers are no longer here. */
export async function readProbes(store: Store, digest: Digest): Promise<Probes> {
  const { modelPack, server } = await readParts(store, digest);
  const { golden: file, tolerance } = server.config;
  const layer = modelPack.manifest.layers.find(({ annotations }) => annotations?.[TITLE] === file);
  if (file === undefined || layer === undefined || !(await store.has(layer.digest)))
    return { golden: [], tolerance };
  return { golden: parseGolden((await readBytes(store, layer.digest)).toString('utf8'), file), tolerance };
}

/** Whether a release can be started from this store alone. */
export async function isComplete(store: Store, digest: Digest): Promise<boolean> {
  const found = await getManifest(store, digest);
  if (found === undefined) return false;
  const { modelPack, server } = await readParts(store, digest);
  for (const { digest: blob } of [...modelPack.manifest.layers, ...server.manifest.layers])
    if (!(await store.has(blob))) return false;
  return true;
}

function subjectOf({ digest, manifest }: Stored<unknown>): Digest {
  if (manifest.subject === undefined) throw new UserError(`${digest} names no parent; make it again`);
  return manifest.subject.digest;
}
