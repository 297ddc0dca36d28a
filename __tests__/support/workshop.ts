/** A user's repository and folders for records, and the actions run on them with inputs as a workflow gives them. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { action as buildAction } from '../../src/actions/build.ts';
import { action as packageAction } from '../../src/actions/package-model.ts';
import { action as releaseAction } from '../../src/actions/release-config.ts';
import type { Action, Job, Outcome } from '../../src/github/action.ts';
import { type Digest, parseDigest } from '../../src/lib/digest.ts';
import type { Stored } from '../../src/records/kind.ts';
import type { RunConfig } from '../../src/records/run.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { openStore } from '../../src/store/open.ts';
import { type RecordingLog, recordingLog } from './log.ts';
import { type Changes, makeRepository, type Repository } from './project.ts';
import { putRun, type RunOptions } from './runs.ts';

type Texts = Readonly<Record<string, string>>;

/** The place of an action, of which tests read what was logged. Artifacts are not there. */
export function testJob(workspace: string, inActions = true): Job & { readonly log: RecordingLog } {
  return {
    env: {},
    log: recordingLog(),
    signal: new AbortController().signal,
    workspace,
    inActions,
    scratch: () => mkdtemp(join(workspace, 'scratch-')),
    openStore: (value, input) =>
      openStore(value, input, {
        inActions,
        folder: workspace,
        artifacts: () => Promise.reject(new Error('there are no artifacts in this test')),
      }),
    mask: () => {},
  };
}

/** The digest that an action gave under this name. */
export function digestIn(outputs: Texts, name: string): Digest {
  const { [name]: text = '' } = outputs;
  return parseDigest(text, name);
}

export interface Workshop {
  /** A new folder, which goes away with `remove`. */
  readonly root: string;
  readonly repository: Repository;
  readonly handoff: LayoutStore;
  readonly store: LayoutStore;
  readonly log: RecordingLog;
  /** Runs an action; project, store and handoff are as usual unless given. */
  run(action: Action, inputs: Texts): Promise<Outcome>;
  build(inputs?: Texts): Promise<Texts>;
  /** Records a training of what was built. */
  train(built: Texts, options?: RunOptions): Promise<Stored<RunConfig>>;
  package(built: Texts, run: string, inputs?: Texts): Promise<Outcome>;
  release(packaged: string, inputs?: Texts): Promise<Outcome>;
  /** All up to a package, and its digest. */
  toPackage(options?: RunOptions): Promise<{ built: Texts; run: string; package: string }>;
  remove(): Promise<void>;
}

export async function openWorkshop(options: { project?: string; files?: Changes } = {}): Promise<Workshop> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-')));
  const repository = await makeRepository(join(root, 'repository'), options);
  const handoff = new LayoutStore(join(root, 'handoff'));
  const store = new LayoutStore(join(root, 'yard'));
  const job = testJob(repository.folder);
  const usual: Texts = { project: repository.project, store: store.location, handoff: handoff.location };
  const run = (action: Action, inputs: Texts): Promise<Outcome> =>
    action.run((name) => inputs[name] ?? usual[name] ?? '', job);
  const workshop: Workshop = {
    root,
    repository,
    handoff,
    store,
    log: job.log,
    run,
    build: async (inputs = {}) => (await run(buildAction, inputs)).outputs,
    train: (built, options) => putRun(handoff, digestIn(built, 'trainer'), options),
    package: ({ trainer = '', server = '', 'training-id': id = '' }, of, inputs = {}) =>
      run(packageAction, { trainer, server, 'training-id': id, run: of, ...inputs }),
    release: (packaged, inputs = {}) =>
      run(releaseAction, { package: packaged, environment: 'staging', ...inputs }),
    toPackage: async (runOptions) => {
      const built = await workshop.build();
      const trained = await workshop.train(built, runOptions);
      const { outputs, failure } = await workshop.package(built, trained.digest);
      if (failure !== undefined) throw new Error(failure);
      const { package: packaged = '' } = outputs;
      return { built, run: trained.digest, package: packaged };
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
  return workshop;
}
