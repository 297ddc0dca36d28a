import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError, userErrors } from '../lib/errors.ts';
import { inParallel } from '../lib/in-parallel.ts';
import { listTree } from '../lib/tree.ts';
import type { Descriptor } from '../records/oci.ts';
import { LOG_LAYER } from '../records/oci.ts';
import { METRICS_LAYER, OUTPUT_LAYER } from '../records/run.ts';
import { layer } from '../store/records.ts';
import { AT_ONCE, type Store } from '../store/store.ts';
import type { Workspace } from './workspace.ts';

/**
 * Moves every file of the output folder into the store, as a layer with its path.
 * @throws UserError when there is none, or something that could bring in what lies outside the folder
 */
export async function collectOutputs(store: Store, output: string): Promise<Descriptor[]> {
  if (!(await lstat(output).catch(() => undefined))?.isDirectory())
    throw new UserError('the program removed or replaced its output folder; it may only write files into it');
  const { files, problems } = await listTree(output);
  const shared = files
    .filter(({ links }) => links > 1)
    .map(({ path }) => `${path} is a hard link, whose other name may lie anywhere; write a file of its own`);
  if (problems.length + shared.length > 0)
    throw userErrors('the outputs cannot be taken', [...problems, ...shared]);
  if (files.length === 0) {
    throw new UserError(
      'the program made no output: it must write its files into the folder that TRAINYARD_OUTPUT_DIR (or ${output} in the command) names',
    );
  }
  return inParallel(files, AT_ONCE, async ({ path }) => {
    const blob = await store.write({ file: join(output, path), how: 'move' });
    return layer(OUTPUT_LAYER, blob, path);
  });
}

/** Moves log and metrics into the store; what is empty is left out. */
export async function collectTrace(store: Store, workspace: Workspace): Promise<Descriptor[]> {
  const layers: Descriptor[] = [];
  for (const [mediaType, file, name] of [
    [METRICS_LAYER, workspace.metrics, 'trainyard/metrics.jsonl'],
    [LOG_LAYER, workspace.log, 'trainyard/log.txt'],
  ] as const) {
    const found = await lstat(file).catch(() => undefined);
    if (!found?.isFile() || found.nlink > 1 || found.size === 0) continue;
    layers.push(layer(mediaType, await store.write({ file, how: 'move' }), name));
  }
  return layers;
}
