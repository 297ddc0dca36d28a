import { extname, posix } from 'node:path';
import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { Stored } from '../records/kind.ts';
import type { Descriptor } from '../records/oci.ts';
import { type ModelConfig, modelPackage, packageAnnotations } from '../records/package.ts';
import { type RunConfig, trainingName } from '../records/run.ts';
import { type Commit, readProjectFile } from '../source/commit.ts';
import type { Project } from '../source/project.ts';
import { readProject } from '../source/read-project.ts';
import type { YamlFile } from '../source/yaml.ts';
import { copyRecord } from '../store/copy.ts';
import { getServer, getTrainer } from '../store/programs.ts';
import { getManifest, putRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';
import { modelCard } from './card.ts';
import { modelFile, selectModelFiles, serverFiles } from './layers.ts';
import { checkThresholds, type Gate } from './thresholds.ts';
import { verifyRun } from './verify-run.ts';

export interface PackageRequest {
  readonly commit: Commit;
  readonly trainer: Digest;
  readonly server: Digest | undefined;
  readonly trainingId: Digest;
  readonly run: Digest;
  readonly handoff: Store;
  readonly store: Store;
}

export interface Packaged {
  readonly project: Project;
  readonly run: Stored<RunConfig>;
  readonly gates: readonly Gate[];
  /** Undefined when a gate does not hold. */
  readonly package: Stored<ModelConfig> | undefined;
}

/** Takes a verified Run into the store and, if it holds its thresholds, makes a ModelPack of it. */
export async function packageModel(request: PackageRequest): Promise<Packaged> {
  const { commit, handoff, store } = request;
  const file = await readProject(commit);
  const project = file.value;
  const stores = [handoff, store];
  const trainer = await getTrainer(stores, request.trainer, 'input trainer');
  const run = await verifyRun(stores, request.run, trainer, request.trainingId);
  const server = request.server && (await getServer(stores, request.server, 'input server'));
  const layers = await selectModelFiles(await holderOf(run.digest, handoff, store), file, run);
  const serverLayers = server === undefined ? [] : serverFiles(server, run);
  const card = await readCard(commit, file);

  for (const digest of [trainer.digest, run.digest, ...(server === undefined ? [] : [server.digest])]) {
    await copyRecord(await holderOf(digest, handoff, store), store, digest);
  }
  // Looked at again where the training zone cannot write: it may have replaced what was looked at in the hand-off.
  await selectModelFiles(store, file, run);
  await nameForReuse(store, run);

  const gates = checkThresholds(project.metrics, run.config.metrics);
  if (gates.some(({ holds }) => !holds)) return { project, run, gates, package: undefined };
  const readme = modelFile(
    'doc',
    await store.write({ bytes: Buffer.from(modelCard(project.name, card, run)) }),
    'README.md',
  );
  const all = [...layers, ...serverLayers, readme];
  const packaged = await putRecord(store, modelPackage, {
    config: modelConfigOf(project, all),
    layers: all,
    subject: run,
    annotations: packageAnnotations({
      name: project.name,
      metrics: run.config.metrics,
      trainingId: request.trainingId,
      server: server?.digest,
    }),
  });
  return { project, run, gates, package: packaged };
}

/** Raw layers are their own uncompressed form, so that diff ids are the layers' digests. */
function modelConfigOf(project: Project, layers: readonly Descriptor[]): ModelConfig {
  const format = extname(project.model.files[0] ?? '').slice(1);
  return {
    descriptor: { name: project.name },
    config: { ...(format !== '' && { format }) },
    modelfs: { type: 'layers', diffIds: layers.map(({ digest }) => digest) },
  };
}

/** The hand-off first: what it has need not be asked of a registry. */
async function holderOf(digest: Digest, handoff: Store, store: Store): Promise<Store> {
  return (await handoff.get(digest)) === undefined ? store : handoff;
}

async function nameForReuse(store: Store, run: Stored<RunConfig>): Promise<void> {
  const found = await getManifest(store, run.digest);
  if (found !== undefined) await store.put(found.bytes, [trainingName(run.config.trainingId)]);
}

async function readCard(commit: Commit, file: YamlFile<Project>): Promise<string | undefined> {
  const { card } = file.value.model;
  if (card === undefined) return undefined;
  const bytes = await readProjectFile(commit, card);
  if (bytes === undefined)
    throw new UserError(
      `${file.place(['model', 'card'])}: model.card is ${card}, and the commit has no ${posix.join(commit.project, card)}`,
    );
  return bytes.toString('utf8');
}
