import { defineAction } from '../github/action.ts';
import { mapping, registryInputs, requiredDigest, requiredText } from '../github/inputs.ts';
import { makeRelease } from '../release/release.ts';
import { openProject } from '../source/commit.ts';
import { whatServes } from '../store/live.ts';
import { releaseSummary } from '../summary/release-config.ts';

/** Package + one environment's configuration → Release, in the store. */
export const action = defineAction({
  inputs: {
    project: requiredText,
    package: requiredDigest,
    environment: requiredText,
    vars: mapping,
    store: requiredText,
    ...registryInputs,
  },
  async run(inputs, job) {
    const { environment, vars } = inputs;
    const store = await job.openStore(inputs.store, 'store');
    const commit = await openProject(job.workspace, inputs.project, job.log);
    const released = await makeRelease({ commit, package: inputs.package, environment, vars, store });
    const [live] = await whatServes(store, { name: released.release.config.name, environment });
    for (const [key, { value, origin }] of released.config)
      job.log.info(`${key} = ${JSON.stringify(value)} (${origin})`);
    return {
      outputs: { release: released.release.digest },
      summary: releaseSummary(released, live, store.limits),
    };
  },
});
