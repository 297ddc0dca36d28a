import { join } from 'node:path';
import { defineAction, type Job } from '../github/action.ts';
import { checkEvent, readPayload } from '../github/event.ts';
import { withConsole, withInertConsole } from '../github/inert.ts';
import { mapping, plainHttpInput, requiredDigest, requiredText } from '../github/inputs.ts';
import { cacheFolder } from '../github/place.ts';
import { findUv } from '../github/uv.ts';
import { DigestCache } from '../lib/digest-cache.ts';
import { UserError } from '../lib/errors.ts';
import { memory } from '../source/units.ts';
import type { Store } from '../store/store.ts';
import { trainSummary } from '../summary/train.ts';
import type { TrainDeps } from '../train/request.ts';
import { train } from '../train/train.ts';

/** Trainer → Run: the only action that starts the user's training program. */
export const action = defineAction({
  inputs: { trainer: requiredDigest, params: mapping, handoff: requiredText, ...plainHttpInput },
  async run({ trainer, params, handoff: place }, job) {
    checkEvent(job.env.GITHUB_EVENT_NAME, await readPayload(job.env.GITHUB_EVENT_PATH));
    const handoff = await job.openStore(place, 'handoff');
    const request = { trainer, params, commit: job.env.GITHUB_SHA || null };
    const result = await train(request, depsOf(job, handoff));
    const { digest, config } = result.run;
    return {
      outputs: {
        // Only a Run that may go on is given on; what failed is found by the summary's digest.
        run: config.state === 'succeeded' ? digest : '',
        'training-id': config.trainingId,
        state: config.state,
        metrics: JSON.stringify(config.metrics),
      },
      summary: trainSummary(result, handoff.limits),
      ...(config.state !== 'succeeded' && {
        failure: `the training ${config.state === 'cancelled' ? 'was cancelled' : 'failed'}: ${config.reason} (Run ${digest})`,
      }),
    };
  },
});

function depsOf(job: Job, handoff: Store): TrainDeps {
  const { env, log, signal } = job;
  const cache = cacheFolder(env);
  return {
    handoff,
    log,
    signal,
    env,
    dataFolder: env.TRAINYARD_DATA || undefined,
    digests: new DigestCache(join(cache, 'digests')),
    data: {
      cache: join(cache, 'data'),
      limit: dataLimit(env.TRAINYARD_DATA_LIMIT),
      openStore: (value, place) => job.openStore(value, place),
    },
    checkpoints: env.TRAINYARD_CHECKPOINTS || join(cache, 'checkpoints'),
    leases: env.TRAINYARD_LEASES || '/tmp/trainyard-gpus',
    environments: join(cache, 'environments'),
    uv: () => findUv({ env, log, signal, cache, scratch: () => job.scratch() }),
    console: (work) =>
      job.inActions
        ? withInertConsole((chunk) => process.stdout.write(chunk), work)
        : withConsole((chunk) => process.stderr.write(chunk), work),
  };
}

/** How large the cache of data may become, in bytes; undefined when the machine does not say. */
function dataLimit(text: string | undefined): number | undefined {
  if (!text) return undefined;
  const parsed = memory.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new UserError(
    `TRAINYARD_DATA_LIMIT of this machine is ${JSON.stringify(text)}; give an amount such as 200GiB`,
  );
}
