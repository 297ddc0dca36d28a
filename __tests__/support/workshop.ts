/** A user's repository and folders for records, and the actions run on them with inputs as a workflow gives them. */
import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { action as buildAction } from '../../src/actions/build.ts';
import { action as packageAction } from '../../src/actions/package-model.ts';
import { action as releaseAction } from '../../src/actions/release-config.ts';
import type { Action, Job, Outcome } from '../../src/github/action.ts';
import { type Digest, parseDigest } from '../../src/lib/digest.ts';
import { UserError } from '../../src/lib/errors.ts';
import type { Stored } from '../../src/records/kind.ts';
import type { RunConfig } from '../../src/records/run.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { openStore } from '../../src/store/open.ts';
import { openRegistry } from '../../src/store/registry/open.ts';
import { type RecordingLog, recordingLog } from './log.ts';
import { type Changes, makeRepository, type Repository } from './project.ts';
import { putRun, type RunOptions } from './runs.ts';

type Texts = Readonly<Record<string, string>>;

/** The place of an action, of which tests read what was logged. Artifacts are not there. */
export function testJob(
  workspace: string,
  inActions = true,
  env: Job['env'] = {},
): Job & { readonly log: RecordingLog } {
  const place = {
    env,
    log: recordingLog(),
    signal: new AbortController().signal,
    scratch: () => mkdtemp(join(workspace, 'scratch-')),
  };
  return {
    ...place,
    workspace,
    inActions,
    openStore: (value, input) =>
      openStore(value, input, {
        inActions,
        folder: workspace,
        artifacts: () => Promise.reject(new Error('there are no artifacts in this test')),
        registry: async () => openRegistry(value, input, { ...place, githubToken: undefined, plainHttp: [] }),
      }),
    remember: () => {},
    remembered: '',
    mask: () => {},
  };
}

/** The message with which a user's mistake was refused; anything else is told as such. */
export async function refusalOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    (found) => `not refused: ${JSON.stringify(found)}`,
    (error: unknown) => (error instanceof UserError ? error.message : `no mistake of the user's: ${error}`),
  );
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
  /** The variables of the machine; none unless a test sets them. */
  readonly env: Record<string, string | undefined>;
  /** Runs an action; project, store and handoff are as usual unless given. */
  run(action: Action, inputs: Texts): Promise<Outcome>;
  build(inputs?: Texts): Promise<Texts>;
  /** Records a training of what was built. */
  train(built: Texts, options?: RunOptions): Promise<Stored<RunConfig>>;
  package(built: Texts, run: string, inputs?: Texts): Promise<Outcome>;
  release(packaged: string, inputs?: Texts): Promise<Outcome>;
  /** What was built and trained, ready to be packaged. */
  trained(options?: RunOptions): Promise<{ built: Texts; run: Digest; pack(): Promise<Outcome> }>;
  /** All up to a package, and its digest. */
  toPackage(options?: RunOptions): Promise<{ built: Texts; run: Digest; package: Digest }>;
  /** Goes back to the first commit and empties both stores. */
  reset(): Promise<void>;
  remove(): Promise<void>;
}

export async function openWorkshop(options: { project?: string; files?: Changes } = {}): Promise<Workshop> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-')));
  const repository = await makeRepository(join(root, 'repository'), options);
  const base = (await repository.git('rev-parse', 'HEAD')).trim();
  const handoff = new LayoutStore(join(root, 'handoff'));
  const store = new LayoutStore(join(root, 'yard'));
  const env: Workshop['env'] = {};
  const job = testJob(repository.folder, true, env);
  const usual: Texts = { project: repository.project, store: store.location, handoff: handoff.location };
  const run = (action: Action, inputs: Texts): Promise<Outcome> =>
    action.run((name) => inputs[name] ?? usual[name] ?? '', job);
  const workshop: Workshop = {
    root,
    repository,
    handoff,
    store,
    log: job.log,
    env,
    run,
    build: async (inputs = {}) => (await run(buildAction, inputs)).outputs,
    train: (built, options) => putRun(handoff, digestIn(built, 'trainer'), options),
    package: ({ trainer = '', server = '', 'training-id': id = '' }, of, inputs = {}) =>
      run(packageAction, { trainer, server, 'training-id': id, run: of, ...inputs }),
    release: (packaged, inputs = {}) =>
      run(releaseAction, { package: packaged, environment: 'staging', ...inputs }),
    trained: async (runOptions) => {
      const built = await workshop.build();
      const { digest } = await workshop.train(built, runOptions);
      return { built, run: digest, pack: () => workshop.package(built, digest) };
    },
    toPackage: async (runOptions) => {
      const { built, run: trained, pack } = await workshop.trained(runOptions);
      return { built, run: trained, package: digestIn((await pack()).outputs, 'package') };
    },
    reset: async () => {
      await repository.git('reset', '-q', '--hard', base);
      await repository.git('clean', '-fdq');
      for (const { location } of [handoff, store]) await rm(location, { recursive: true, force: true });
      job.log.warnings.splice(0);
      job.log.lines.splice(0);
    },
    remove: () => rm(root, { recursive: true, force: true }),
  };
  return workshop;
}
