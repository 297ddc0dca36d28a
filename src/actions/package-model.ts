import { join } from 'node:path';
import { defineAction, type Job } from '../github/action.ts';
import {
  optionalDigest,
  type Reader,
  registryInputs,
  requiredDigest,
  requiredText,
} from '../github/inputs.ts';
import { cacheFolder } from '../github/place.ts';
import { findUv } from '../github/uv.ts';
import { UserError } from '../lib/errors.ts';
import { ensureEnvironment } from '../lib/python.ts';
import { type MirrorOutcome, mirrorTo } from '../package/mirror/tell.ts';
import { type Packaged, packageModel } from '../package/package.ts';
import type { ScanDeps } from '../package/scan.ts';
import { SCANNER_REQUIREMENTS } from '../package/scanner-script.ts';
import { failureOf } from '../package/thresholds.ts';
import { openProject } from '../source/commit.ts';
import type { Store } from '../store/store.ts';
import { packageSummary } from '../summary/package-model.ts';

/** The address of an MLflow server; empty for none. */
const mirrorInput: Reader<URL | undefined> = (value, name) => {
  if (value === '') return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new UserError(
      `input ${name} is not the address of a server; give that of MLflow, https://mlflow.example`,
    );
  if (url.username !== '' || url.password !== '')
    throw new UserError(
      `input ${name} holds a user or a password; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, in the env of the step`,
    );
  return url;
};

/** Run → Package, in the store. */
export const action = defineAction({
  inputs: {
    project: requiredText,
    trainer: requiredDigest,
    server: optionalDigest,
    'training-id': requiredDigest,
    run: requiredDigest,
    handoff: requiredText,
    store: requiredText,
    mirror: mirrorInput,
    ...registryInputs,
  },
  async run(inputs, job) {
    const { trainer, server, run } = inputs;
    const store = await job.openStore(inputs.store, 'store');
    const handoff = inputs.handoff === inputs.store ? store : await job.openStore(inputs.handoff, 'handoff');
    const commit = await openProject(job.workspace, inputs.project, job.log);
    const named = { trainer, server, trainingId: inputs['training-id'], run };
    const packaged = await job.log.group('Package the model', () =>
      packageModel({ ...named, ...scanDepsOf(job), commit, handoff, store, log: job.log }),
    );
    const mirrored = await mirrorIfAsked(inputs, packaged, store, job);
    const failure = failureOf(packaged.gates);
    return {
      outputs: { package: packaged.package?.digest ?? '', image: packaged.image ?? '' },
      summary: packageSummary(packaged, store.limits, mirrored),
      ...(failure !== undefined && { failure }),
    };
  },
});

async function mirrorIfAsked(
  inputs: { mirror: URL | undefined; store: string; 'plain-http': readonly string[] },
  { project, run, package: packaged }: Packaged,
  store: Store,
  job: Job,
): Promise<MirrorOutcome | undefined> {
  const { mirror: url, store: place, 'plain-http': plainHttp } = inputs;
  if (url === undefined || packaged === undefined) return undefined;
  const what = { name: project.name, run, package: packaged.digest, store, place, url, plainHttp };
  return job.log.group('Mirror to MLflow', () => mirrorTo(what, job));
}

/** Python is asked for only where there is something to scan. */
function scanDepsOf(job: Job): ScanDeps {
  const { env, log, signal } = job;
  const scratch = () => job.scratch();
  const cache = cacheFolder(env);
  const lock = { kind: 'requirements' as const, requirements: Buffer.from(SCANNER_REQUIREMENTS) };
  const uv = () => findUv({ env, log, signal, cache, scratch });
  return {
    python: () => ensureEnvironment(lock, { folder: join(cache, 'environments'), env, log, signal, uv }),
    scratch,
    signal,
  };
}
