import type { Stored } from '../records/kind.ts';
import { type Descriptor, TITLE } from '../records/oci.ts';
import type { ServerConfig } from '../records/program.ts';
import { OUTPUT_LAYER, type RunConfig } from '../records/run.ts';

/** Where the server's source and lock lie in a package. */
export function serverPaths(server: Stored<ServerConfig> | undefined): string[] {
  return (server?.manifest.layers ?? []).map(
    ({ annotations }) => `server/${annotations?.[TITLE] ?? 'source.tar'}`,
  );
}

/** The outputs of a Run, by path. */
export function outputsOf(run: Stored<RunConfig>): ReadonlyMap<string, Descriptor> {
  return new Map(
    run.manifest.layers
      .filter(({ mediaType }) => mediaType === OUTPUT_LAYER)
      .map((layer) => [layer.annotations?.[TITLE] ?? '', layer]),
  );
}
