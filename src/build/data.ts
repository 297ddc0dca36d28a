import { digestOfFiles, type Hub } from '../data/hub.ts';
import { parseDigest } from '../lib/digest.ts';
import { messageOf, UserError } from '../lib/errors.ts';
import { expand } from '../lib/expand.ts';
import type { DataReference } from '../records/program.ts';
import type { Commit } from '../source/commit.ts';
import type { DataSource } from '../source/data.ts';
import type { Project } from '../source/project.ts';
import type { YamlFile } from '../source/yaml.ts';
import { pinDvc } from './dvc.ts';

/**
 * Pins every data set of the trainer: what the digest does not say yet is asked now, so that the Program says it for ever.
 * @param hub opens the Hugging Face Hub; called only for a project that uses it
 * @throws UserError when a repository or revision of the Hub is not there, or not for this job, or a file of DVC says no MD5
 */
export async function pinData(
  commit: Commit,
  file: YamlFile<Project>,
  hub: () => Promise<Hub>,
): Promise<Record<string, DataReference>> {
  const pinned: [string, DataReference][] = [];
  for (const [name, source] of Object.entries(file.value.trainer.data)) {
    const place = file.place(['trainer', 'data', name]);
    const told = (error: unknown): never => {
      if (!(error instanceof UserError)) throw error;
      throw new UserError(`${place}: ${messageOf(error)}`, { cause: error.cause });
    };
    const reference = 'dvc' in source ? pinDvc(commit, source) : pin(source, place, hub);
    pinned.push([name, await reference.catch(told)]);
  }
  return Object.fromEntries(pinned);
}

async function pin(
  source: Exclude<DataSource, { dvc: string }>,
  place: string,
  hub: () => Promise<Hub>,
): Promise<DataReference> {
  if ('oci' in source) {
    const at = source.oci.lastIndexOf('@');
    return { oci: source.oci.slice(0, at), digest: parseDigest(source.oci.slice(at + 1), place) };
  }
  if ('command' in source) expand(source.command, { output: '' }, 'its command');
  if (!('hf' in source)) return source;
  const { hf, type, revision, files } = source;
  const opened = await hub();
  const commit = await opened.commitOf({ name: hf, type, revision });
  const digest = digestOfFiles(await opened.files({ name: hf, type, revision: commit }, files));
  return { hf, type, commit, ...(files !== undefined && { files }), digest };
}
