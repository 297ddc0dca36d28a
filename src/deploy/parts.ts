import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Stored } from '../records/kind.ts';
import { TITLE } from '../records/oci.ts';
import { type ModelConfig, modelPackage } from '../records/package.ts';
import type { ServerConfig } from '../records/program.ts';
import { type ReleaseConfig, release } from '../records/release.ts';
import { copyRecord } from '../store/copy.ts';
import type { LayoutStore } from '../store/layout.ts';
import { getServer } from '../store/programs.ts';
import { getRecord, readBytes } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { parseGolden } from './golden.ts';
import type { Probes } from './prove.ts';
import { dropDamaged } from './repair.ts';

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
  const server = await getServer(store, found.config.server, `the server of release ${digest}`);
  return { release: found, modelPack, run: subjectOf(modelPack), server };
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

/**
 * Whether a release can be started from this machine alone. One without its name was left by a deploy that was killed, and
 * does not count.
 */
export async function isComplete(here: LayoutStore, digest: Digest): Promise<boolean> {
  if (![...(await here.names('release-')).values()].includes(digest)) return false;
  for (const blob of await layersOf(here, digest)) if (!(await here.has(blob))) return false;
  return true;
}

/** Removes what is damaged of the bytes that a release is served from; says whether there was any. */
export async function dropDamagedLayers(here: LayoutStore, digest: Digest, log: Log): Promise<boolean> {
  let found = false;
  for (const blob of await layersOf(here, digest)) found = (await dropDamaged(here, blob, log)) || found;
  return found;
}

async function layersOf(store: Store, digest: Digest): Promise<Digest[]> {
  const { modelPack, server } = await readParts(store, digest);
  return [modelPack, server].flatMap(({ manifest }) => manifest.layers).map((layer) => layer.digest);
}

function subjectOf({ digest, manifest }: Stored<unknown>): Digest {
  if (manifest.subject === undefined) throw new UserError(`${digest} names no parent; make it again`);
  return manifest.subject.digest;
}
