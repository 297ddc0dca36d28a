import { join } from 'node:path';
import { defineAction, type Job } from '../github/action.ts';
import { optionalDigest, registryInputs, requiredDigest, requiredText } from '../github/inputs.ts';
import { cacheFolder } from '../github/place.ts';
import { findUv } from '../github/uv.ts';
import { ensureEnvironment } from '../lib/python.ts';
import { packageModel } from '../package/package.ts';
import type { ScanDeps } from '../package/scan.ts';
import { SCANNER_REQUIREMENTS } from '../package/scanner-script.ts';
import { failureOf } from '../package/thresholds.ts';
import { openProject } from '../source/commit.ts';
import { packageSummary } from '../summary/package-model.ts';

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
    const failure = failureOf(packaged.gates);
    return {
      outputs: { package: packaged.package?.digest ?? '', image: packaged.image ?? '' },
      summary: packageSummary(packaged, store.limits),
      ...(failure !== undefined && { failure }),
    };
  },
});

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
