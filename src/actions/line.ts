import { type Action, defineAction, type Outcome } from '../github/action.ts';
import { mapping, registryInputs, requiredText } from '../github/inputs.ts';
import { parseDigest } from '../lib/digest.ts';
import { run } from '../records/run.ts';
import { openCommit } from '../source/commit.ts';
import { readEnvironment } from '../source/read-environment.ts';
import { getRecord } from '../store/records.ts';

/** The stages in their order; each sees the inputs of the line and the outputs of those before it. */
const stages: readonly (readonly [string, () => Promise<{ action: Action }>])[] = [
  ['build', () => import('./build.ts')],
  ['train', () => import('./train.ts')],
  ['package-model', () => import('./package-model.ts')],
  ['release-config', () => import('./release-config.ts')],
  ['deploy', () => import('./deploy.ts')],
];

/** The whole line in one step, for a first try: one machine, one job, no zones. */
export const action = defineAction({
  inputs: {
    project: requiredText,
    params: mapping,
    environment: requiredText,
    store: requiredText,
    ...registryInputs,
  },
  async run(inputs, job) {
    const { project, environment, store } = inputs;
    const params = JSON.stringify(inputs.params);
    // Whatever release the line comes to, nobody named it: it is no roll-back, and holds nothing.
    const given = { project, environment, store, handoff: store, params, 'by-hand': 'false' };
    const values = new Map(Object.entries(given));
    // A mistake in its name is told before a training, not after it.
    await readEnvironment(await openCommit(job.workspace, project), environment);
    const outputs = new Map<string, string>();
    const summaries: string[] = [];
    for (const [name, load] of stages) {
      const found = outputs.get('run');
      if (name === 'train' && found !== undefined && found !== '') {
        const { config } = await getRecord(
          await job.openStore(store, 'store'),
          run,
          parseDigest(found, 'run'),
        );
        outputs.set('state', config.state).set('metrics', JSON.stringify(config.metrics));
        continue;
      }
      const { action: stage } = await load();
      const outcome = await stage.run((input) => values.get(input) ?? '', job);
      for (const [output, value] of Object.entries(outcome.outputs)) {
        // The whole line trains in one step and no other one goes on from it; how it ended, deploy says.
        if (output !== 'segment' && output !== 'unchanged') outputs.set(output, value);
        values.set(output, value);
      }
      summaries.push(outcome.summary);
      if (outcome.failure !== undefined)
        return {
          ...finish(outputs, summaries, `${name}: ${outcome.failure}`),
          ...(outcome.exitStatus !== undefined && { exitStatus: outcome.exitStatus }),
        };
    }
    return finish(outputs, summaries);
  },
});

/** The last stage's verdict comes first: it is what the line came to. */
function finish(
  outputs: ReadonlyMap<string, string>,
  summaries: readonly string[],
  failure?: string,
): Outcome {
  return {
    outputs: Object.fromEntries(outputs),
    summary: [...summaries].reverse().join('\n\n'),
    ...(failure !== undefined && { failure }),
  };
}
