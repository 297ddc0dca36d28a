import { build } from '../build/build.ts';
import { openHub } from '../data/open.ts';
import { defineAction } from '../github/action.ts';
import { flag, mapping, registryInputs, requiredText } from '../github/inputs.ts';
import { openProject } from '../source/commit.ts';
import { buildSummary } from '../summary/build.ts';

/** Source → trainer and server, from the commit's objects alone. */
export const action = defineAction({
  inputs: {
    project: requiredText,
    params: mapping,
    store: requiredText,
    handoff: requiredText,
    force: flag,
    ...registryInputs,
  },
  async run(inputs, job) {
    const handoff = await job.openStore(inputs.handoff, 'handoff');
    const store = inputs.store === inputs.handoff ? handoff : await job.openStore(inputs.store, 'store');
    const commit = await openProject(job.workspace, inputs.project, job.log);
    const built = await job.log.group(`Build commit ${commit.id.slice(0, 12)}`, () =>
      build({ commit, params: inputs.params, handoff, store, hub: () => openHub(job) }),
    );
    return {
      outputs: {
        trainer: built.trainer.digest,
        server: built.server?.digest ?? '',
        // Who forces a training is told of the finished Run by the summary alone, so that the next job trains.
        run: inputs.force ? '' : (built.run?.digest ?? ''),
        'training-id': built.training.trainingId,
      },
      summary: buildSummary(built, { commit, limits: store.limits, force: inputs.force }),
    };
  },
});
