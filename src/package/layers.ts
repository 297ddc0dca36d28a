import { posix } from 'node:path';
import { UserError, userErrors } from '../lib/errors.ts';
import type { Stored } from '../records/kind.ts';
import type { Descriptor } from '../records/oci.ts';
import { TITLE } from '../records/oci.ts';
import { FILEPATH, modelLayer } from '../records/package.ts';
import type { ServerConfig } from '../records/program.ts';
import { OUTPUT_LAYER, type RunConfig } from '../records/run.ts';
import type { Project } from '../source/project.ts';
import type { YamlFile } from '../source/yaml.ts';
import { layer } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { headOf, refusalOf } from './content.ts';

/** A constant: the same file has the same layer wherever it is packed. */
const EPOCH = '1970-01-01T00:00:00Z';
const CONFIG_FILES = /\.(json|ya?ml|txt|model|tiktoken)$/i;

type LayerKind = Parameters<typeof modelLayer>[0];

/** A raw ModelPack layer: the blob as it is, with the path and metadata that ModelPack readers want. */
export function modelFile(
  kind: LayerKind,
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
    'org.cncf.model.file.mediatype.untested': 'true',
  });
}

/** The outputs of the Run that `model.files` lists, accepted by their first bytes. All refusals at once. */
export async function selectModelFiles(
  store: Store,
  file: YamlFile<Project>,
  run: Stored<RunConfig>,
): Promise<Descriptor[]> {
  const problems: string[] = [];
  const layers: Descriptor[] = [];
  for (const [index, path] of file.value.model.files.entries()) {
    const place = file.place(['model', 'files', index]);
    const output = outputOf(run, path);
    if (output === undefined) {
      problems.push(
        `${place}: ${path} is not an output of the run; its outputs are ${outputPaths(run).join(', ')}`,
      );
      continue;
    }
    const refusal = refusalOf(await headOf(await store.read(output.digest)));
    if (refusal !== undefined) problems.push(`${place}: ${path} is ${refusal}`);
    layers.push(modelFile(CONFIG_FILES.test(path) ? 'weight.config' : 'weight', output, path));
  }
  if (problems.length > 0) throw userErrors('the model cannot be packaged', problems);
  return layers;
}

/** The server's source and lock, and the golden requests that the trainer wrote for it. */
export function serverFiles(server: Stored<ServerConfig>, run: Stored<RunConfig>): Descriptor[] {
  const code = server.manifest.layers.map((part) =>
    modelFile('code', part, `server/${part.annotations?.[TITLE] ?? 'source.tar'}`),
  );
  const { golden } = server.config;
  if (golden === undefined) return code;
  const output = outputOf(run, golden);
  if (output === undefined) {
    throw new UserError(
      `server.golden in trainyard.yml is ${golden}, and the run has no such output; its outputs are ${outputPaths(run).join(', ')}. Let the trainer write it to TRAINYARD_OUTPUT_DIR`,
    );
  }
  return [...code, modelFile('dataset', output, golden)];
}

function outputOf(run: Stored<RunConfig>, path: string): Descriptor | undefined {
  return run.manifest.layers.find(
    ({ mediaType, annotations }) => mediaType === OUTPUT_LAYER && annotations?.[TITLE] === path,
  );
}

function outputPaths(run: Stored<RunConfig>): string[] {
  return run.manifest.layers
    .filter(({ mediaType }) => mediaType === OUTPUT_LAYER)
    .map(({ annotations }) => annotations?.[TITLE] ?? '');
}
