import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { canonicalBytes } from '../lib/json.ts';
import type { Stored } from '../records/kind.ts';
import type { TrainerConfig } from '../records/program.ts';
import { endedText, type RunConfig, run } from '../records/run.ts';
import { trainingOf } from '../records/training.ts';
import { getTrainer } from '../store/programs.ts';
import { getRecord } from '../store/records.ts';
import type { Store } from '../store/store.ts';

/**
 * Reads a Run and checks all of the training zone's claim that can be checked: it succeeded, and what its own trainer,
 * parameters and data amount to is the training that build asked for.
 */
export async function verifyRun(
  stores: readonly Store[],
  digest: Digest,
  trainer: Stored<TrainerConfig>,
  trainingId: Digest,
): Promise<Stored<RunConfig>> {
  const found = await getRecord(stores, run, digest);
  const { config, manifest } = found;
  if (config.state !== 'succeeded') {
    throw new UserError(
      `run ${digest} ${endedText(config.state)}; only a succeeded run can be packaged. ${
        config.state === 'checkpointed'
          ? 'Give its digest to train as the input previous, and package the run in which it succeeds'
          : 'Its log is in the run; train again'
      }`,
    );
  }
  const own =
    manifest.subject && (await getTrainer(stores, manifest.subject.digest, `the trainer of run ${digest}`));
  // A Run that is used again may be of an older trainer, which differs in what a training id leaves out: a timeout, say.
  const isOf = (candidate: Stored<TrainerConfig>): boolean => {
    const asked = trainingOf(candidate, config.params, `the parameters of run ${digest}`);
    const { params, data } = config;
    const told = canonicalBytes({ params, data });
    return (
      asked.trainingId === trainingId &&
      canonicalBytes({ params: asked.params, data: asked.data }).equals(told)
    );
  };
  if (own !== undefined && config.trainingId === trainingId && isOf(trainer) && isOf(own)) return found;
  throw new UserError(
    `run ${digest} is not of this training: build asked for training id ${trainingId}, and the run is of ${config.trainingId}` +
      `${own?.digest === trainer.digest ? '' : `, by trainer ${own?.digest ?? '(none)'} instead of ${trainer.digest}`}. ` +
      'Hand over the run, the trainer and the training id of one build',
  );
}
