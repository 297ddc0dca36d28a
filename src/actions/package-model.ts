import { defineAction } from '../github/action.ts';
import { optionalDigest, registryInputs, requiredDigest, requiredText } from '../github/inputs.ts';
import { packageModel } from '../package/package.ts';
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
    const packaged = await job.log.group('Package the model', () =>
      packageModel({ commit, trainer, server, trainingId: inputs['training-id'], run, handoff, store }),
    );
    const failure = failureOf(packaged.gates);
    return {
      outputs: { package: packaged.package?.digest ?? '' },
      summary: packageSummary(packaged, store.limits),
      ...(failure !== undefined && { failure }),
    };
  },
});
