import { posix } from 'node:path';
import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { inParallel } from '../lib/in-parallel.ts';
import type { Log } from '../lib/log.ts';
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
import { acceptFiles } from './accept.ts';
import { modelCard } from './card.ts';
import { type Description, describeModel } from './facts.ts';
import { secretIn } from './formats/secrets.ts';
import { type Card, parseCard } from './front-matter.ts';
import { checkImageStore, putImage } from './image.ts';
import { modelFile, modelLayers, serverFiles } from './layers.ts';
import { PickleScanner, type ScanDeps } from './scan.ts';
import { checkThresholds, type Gate } from './thresholds.ts';
import { verifyRun } from './verify-run.ts';

export interface PackageRequest extends ScanDeps {
  readonly commit: Commit;
  readonly trainer: Digest;
  readonly server: Digest | undefined;
  readonly trainingId: Digest;
  readonly run: Digest;
  readonly handoff: Store;
  readonly store: Store;
  readonly log: Log;
}

export interface Packaged {
  readonly project: Project;
  readonly run: Stored<RunConfig>;
  readonly gates: readonly Gate[];
  /** Undefined when a gate does not hold. */
  readonly package: Stored<ModelConfig> | undefined;
  /** The index that ties the package to its image; undefined unless the project asks for one. */
  readonly image: Digest | undefined;
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
  const holder = await holderOf(run.digest, handoff, store);
  const scanner = new PickleScanner(request);
  const accept = (from: Store) => acceptFiles(from, file, run, server, scanner);
  const files = await accept(holder);
  const serverLayers = server === undefined ? [] : serverFiles(server, run);
  const card = await readCard(commit, file);
  if (project.model.image) checkImageStore(store, file.place(['model', 'image']));

  const records = [
    run.digest,
    // The Run's own comes with it; one that is used again may be of an older one.
    ...(run.manifest.subject?.digest === trainer.digest ? [] : [trainer.digest]),
    ...(server === undefined ? [] : [server.digest]),
  ];
  await inParallel(records, records.length, async (digest) => {
    await copyRecord(await holderOf(digest, handoff, store), store, digest);
  });
  // Looked at again where the training zone cannot write: it may have replaced what was looked at in the hand-off.
  if (holder !== store) await accept(store);

  const gates = checkThresholds(project.metrics, run.config.metrics);
  const holds = gates.every((gate) => gate.holds);
  await nameForReuse(store, run, holds);
  if (!holds) return { project, run, gates, package: undefined, image: undefined };
  const description = describeModel(project.name, files);
  const readme = modelCard(project.name, card, run, description.config);
  const layers = [
    ...modelLayers(files),
    ...serverLayers,
    modelFile('doc', await store.write({ bytes: Buffer.from(readme) }), 'README.md'),
  ];
  const packaged = await putRecord(store, modelPackage, {
    config: modelConfigOf(description, layers),
    layers,
    subject: run,
    annotations: packageAnnotations({
      name: project.name,
      metrics: run.config.metrics,
      trainingId: request.trainingId,
      server: server?.digest,
      allow: [...new Set(project.model.allow)],
    }),
  });
  const image = project.model.image ? await putImage(store, holder, packaged, request.log) : undefined;
  return { project, run, gates, package: packaged, image };
}

/** Raw layers are their own uncompressed form, so that diff ids are the layers' digests. */
function modelConfigOf(description: Description, layers: readonly Descriptor[]): ModelConfig {
  return { ...description, modelfs: { type: 'layers', diffIds: layers.map(({ digest }) => digest) } };
}

/** The hand-off first: what it has need not be asked of a registry. */
async function holderOf(digest: Digest, handoff: Store, store: Store): Promise<Store> {
  return (await handoff.get(digest)) === undefined ? store : handoff;
}

/** Gives the Run the name by which build finds it. One that does not hold its thresholds takes that from no other: it was trained by force. */
async function nameForReuse(store: Store, run: Stored<RunConfig>, holds: boolean): Promise<void> {
  const name = trainingName(run.config.trainingId);
  if (!holds && (await store.resolve(name)) !== undefined) return;
  const found = await getManifest(store, run.digest);
  if (found !== undefined) await store.put(found.bytes, [name]);
}

/** @throws UserError when the card is not in the commit, cannot be read, or holds a secret */
async function readCard(commit: Commit, file: YamlFile<Project>): Promise<Card | undefined> {
  const { card } = file.value.model;
  if (card === undefined) return undefined;
  const place = file.place(['model', 'card']);
  const bytes = await readProjectFile(commit, card);
  if (bytes === undefined)
    throw new UserError(
      `${place}: model.card is ${card}, and the commit has no ${posix.join(commit.project, card)}`,
    );
  const text = bytes.toString('utf8');
  const secret = secretIn(text);
  if (secret !== undefined)
    throw new UserError(
      `${place}: ${card} holds ${secret}; remove it, and replace the secret, which others may have read by now`,
    );
  return parseCard(text, card);
}
