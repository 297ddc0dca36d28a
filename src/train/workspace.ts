import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '../lib/json.ts';

/** The folder of one training: all that its program is given and writes. */
export interface Workspace {
  readonly root: string;
  /** The program's source, unpacked. */
  readonly source: string;
  /** Becomes the Run's outputs. */
  readonly output: string;
  readonly checkpoints: string;
  /** The parameters as a JSON file. */
  readonly params: string;
  /** JSON Lines that the program writes. */
  readonly metrics: string;
  /** The metrics of the segments before, where there were any. */
  readonly earlier: string;
  /** The folder of experiments for MLflow, which makes it. */
  readonly mlflow: string;
  /** All that the program prints. */
  readonly log: string;
}

/** Makes the folders of a training in an empty folder, and writes its parameters as JSON. */
export async function makeWorkspace(root: string, params: JsonObject): Promise<Workspace> {
  const at = (name: string): string => join(root, name);
  const workspace = {
    root,
    source: at('source'),
    output: at('output'),
    checkpoints: at('checkpoints'),
    params: at('params.json'),
    metrics: at('metrics.jsonl'),
    earlier: at('earlier.jsonl'),
    mlflow: at('mlflow'),
    log: at('log.txt'),
  };
  for (const folder of [workspace.source, workspace.output, workspace.checkpoints]) await mkdir(folder);
  await writeFile(workspace.params, `${JSON.stringify(params, null, 2)}\n`);
  return workspace;
}

/** Removes a workspace, whatever modes the program gave its folders. */
export async function removeWorkspace(root: string): Promise<void> {
  await rm(root, { recursive: true, force: true }).catch(async () => {
    await unlock(root);
    await rm(root, { recursive: true, force: true });
  });
}

/** Removes what no Run of a training that failed keeps, where the disk has no room for the Run itself. */
export async function makeRoom({ source, output, mlflow }: Workspace): Promise<void> {
  for (const folder of [source, output, mlflow]) await removeWorkspace(folder).catch(() => {});
}

async function unlock(folder: string): Promise<void> {
  await chmod(folder, 0o700);
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (entry.isDirectory()) await unlock(join(folder, entry.name));
}
