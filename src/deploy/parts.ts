import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { Stored } from '../records/kind.ts';
import { TITLE } from '../records/oci.ts';
import { type ModelConfig, modelPackage } from '../records/package.ts';
import type { ServerConfig } from '../records/program.ts';
import { type ReleaseConfig, release } from '../records/release.ts';
import { getServer } from '../store/programs.ts';
import { getRecord, readBytes } from '../store/records.ts';
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
  const { golden: file, tolerance, ready } = server.config;
  const layer = modelPack.manifest.layers.find(({ annotations }) => annotations?.[TITLE] === file);
  if (file === undefined || layer === undefined || !(await store.has(layer.digest)))
    return { golden: [], tolerance, ready };
  const text = (await readBytes(store, layer.digest)).toString('utf8');
  return { golden: parseGolden(text, file), tolerance, ready };
}

/** The record that another one was made from. @throws UserError for one that names none */
export function subjectOf({ digest, manifest }: Stored<unknown>): Digest {
  if (manifest.subject === undefined) throw new UserError(`${digest} names no parent; make it again`);
  return manifest.subject.digest;
}
