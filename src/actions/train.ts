import { isAbsolute, join } from 'node:path';
import { defineAction, type Job, type Outcome } from '../github/action.ts';
import { optionalAmount, optionalDuration } from '../github/amounts.ts';
import { checkEvent, readPayload } from '../github/event.ts';
import { withConsole, withInertConsole } from '../github/inert.ts';
import {
  flag,
  mapping,
  optionalCommit,
  optionalDigest,
  optionalText,
  plainHttpInput,
  requiredDigest,
  requiredText,
} from '../github/inputs.ts';
import { cacheFolder } from '../github/place.ts';
import { findUv } from '../github/uv.ts';
import { DigestCache } from '../lib/digest-cache.ts';
import { UserError } from '../lib/errors.ts';
import { memory } from '../lib/units.ts';
import { endedText } from '../records/run.ts';
import type { Store } from '../store/store.ts';
import { smokeSummary } from '../summary/smoke.ts';
import { trainSummary } from '../summary/train.ts';
import type { TrainDeps, TrainResult } from '../train/request.ts';
import { trySmoke } from '../train/smoke.ts';
import { train } from '../train/train.ts';

/** Trainer → Run: the only action that starts the user's training program. */
export const action = defineAction({
  inputs: {
    trainer: requiredDigest,
    params: mapping,
    handoff: requiredText,
    previous: optionalDigest,
    commit: optionalCommit,
    checkpoints: optionalText,
    'time-budget': optionalDuration,
    force: flag,
    smoke: flag,
    'single-use': flag,
    'gpu-wait': optionalDuration,
    'price-per-hour': optionalAmount,
    ...plainHttpInput,
  },
  async run(inputs, job) {
    checkEvent(job.env.GITHUB_EVENT_NAME, await readPayload(job.env.GITHUB_EVENT_PATH));
    const handoff = await job.openStore(inputs.handoff, 'handoff');
    const deps = depsOf(job, handoff, checkpointsAt(inputs.checkpoints, job));
    const request = {
      trainer: inputs.trainer,
      params: inputs.params,
      commit: inputs.commit ?? (job.env.GITHUB_SHA || null),
      timeBudgetSeconds: inputs['time-budget'],
      previous: inputs.previous,
      force: inputs.force,
      singleUse: inputs['single-use'],
      gpuWaitSeconds: inputs['gpu-wait'],
      pricePerHour: inputs['price-per-hour'],
    };
    return inputs.smoke
      ? outcomeOfSmoke(await trySmoke(request, deps))
      : outcomeOf(await train(request, deps), handoff.limits);
  },
});

function outcomeOf(result: TrainResult, limits: string | undefined): Outcome {
  const { digest, config } = result.run;
  const { state } = config;
  return {
    outputs: {
      // Only a Run that may go on is given on; another one is found by `segment`.
      run: state === 'succeeded' ? digest : '',
      state,
      segment: digest,
      'training-id': config.trainingId,
      metrics: JSON.stringify(config.metrics),
    },
    summary: trainSummary(result, limits),
    ...(state !== 'succeeded' &&
      state !== 'checkpointed' && {
        failure: `the training ${endedText(state)}: ${config.reason} (Run ${digest})`,
      }),
  };
}

function outcomeOfSmoke(result: TrainResult): Outcome {
  const { state, reason, trainingId, metrics } = result.run.config;
  return {
    outputs: { run: '', state, segment: '', 'training-id': trainingId, metrics: JSON.stringify(metrics) },
    summary: smokeSummary(result),
    ...(state !== 'succeeded' && { failure: `the smoke test ${endedText(state)}: ${reason}` }),
  };
}

function depsOf(job: Job, handoff: Store, checkpoints: string): TrainDeps {
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
    checkpoints,
    leases: env.TRAINYARD_LEASES || '/tmp/trainyard-gpus',
    workFolder: job.inActions ? job.workspace : undefined,
    jobs: env.TRAINYARD_SLURM_FOLDER || join(cache, 'jobs'),
    environments: join(cache, 'environments'),
    remember: (left) => job.remember(left === undefined ? '' : JSON.stringify(left)),
    uv: () => findUv({ env, log, signal, cache, scratch: () => job.scratch() }),
    console: (work) =>
      job.inActions
        ? withInertConsole((chunk) => process.stdout.write(chunk), work)
        : withConsole((chunk) => process.stderr.write(chunk), work),
  };
}

/** Where checkpoints are kept. @throws UserError for a place that ends with the job */
function checkpointsAt(input: string | undefined, { env, inActions }: Job): string {
  const place = input ?? (env.TRAINYARD_CHECKPOINTS || join(cacheFolder(env), 'checkpoints'));
  if (place.startsWith('oci://') || isAbsolute(place) || !(inActions || place.startsWith('artifact:')))
    return place;
  throw new UserError(
    `${input === undefined ? 'TRAINYARD_CHECKPOINTS of this machine' : 'input checkpoints'} is ${JSON.stringify(place)}, which ends with the job; give an absolute folder that outlives it, or oci://HOST/REPOSITORY`,
  );
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
