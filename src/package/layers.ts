import { posix } from 'node:path';
import { UserError } from '../lib/errors.ts';
import type { Stored } from '../records/kind.ts';
import type { Descriptor } from '../records/oci.ts';
import { FILEPATH, modelLayer } from '../records/package.ts';
import type { ServerConfig } from '../records/program.ts';
import type { RunConfig } from '../records/run.ts';
import { layer } from '../store/records.ts';
import type { AcceptedFile } from './accept.ts';
import { outputsOf, serverPaths } from './outputs.ts';

/** A constant: the same file has the same layer wherever it is packed. */
const EPOCH = '1970-01-01T00:00:00Z';

/** A raw ModelPack layer: the blob as it is, with the path and metadata that ModelPack readers want. */
export function modelFile(
  kind: Parameters<typeof modelLayer>[0],
  { digest, size }: Pick<Descriptor, 'digest' | 'size'>,
  path: string,
): Descriptor {
  const metadata = {
    name: posix.basename(path),
    mode: 0o644,
    uid: 0,
    gid: 0,
    size,
    mtime: EPOCH,
    typeflag: 48,
  };
  return layer(modelLayer(kind), { digest, size }, path, {
    [FILEPATH]: path,
    'org.cncf.model.file.metadata+json': JSON.stringify(metadata),
    'org.cncf.model.file.mediatype.untested': 'false',
  });
}

/**
 * The layers of the model's files. Texts are configuration, unless there is nothing else: then the first of them is the
 * model, as XGBoost and LightGBM write theirs.
 */
export function modelLayers(files: readonly AcceptedFile[]): Descriptor[] {
  const hasWeights = files.some(({ found }) => found.kind !== 'config');
  return files.map(({ path, blob, found }, index) => {
    const isWeight = found.kind !== 'config' || (!hasWeights && index === 0);
    return modelFile(isWeight ? 'weight' : 'weight.config', blob, path);
  });
}

/** The server's source and lock, and the golden requests that the trainer wrote for it. */
export function serverFiles(server: Stored<ServerConfig>, run: Stored<RunConfig>): Descriptor[] {
  const paths = serverPaths(server);
  const code = server.manifest.layers.map((part, index) => modelFile('code', part, paths[index] ?? ''));
  const { golden } = server.config;
  if (golden === undefined) return code;
  const outputs = outputsOf(run);
  const output = outputs.get(golden);
  if (output === undefined) {
    throw new UserError(
      `server.golden in trainyard.yml is ${golden}, and the run has no such output; its outputs are ${[...outputs.keys()].join(', ')}. Let the trainer write it to TRAINYARD_OUTPUT_DIR`,
    );
  }
  return [...code, modelFile('dataset', output, golden)];
}
