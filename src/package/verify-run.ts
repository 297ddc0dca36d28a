import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { canonicalBytes } from '../lib/json.ts';
import type { Stored } from '../records/kind.ts';
import { program, type TrainerConfig } from '../records/program.ts';
import { type RunConfig, run } from '../records/run.ts';
import { trainingOf } from '../records/training.ts';
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
      `run ${digest} ${config.state === 'failed' ? 'failed' : 'was cancelled'}; only a succeeded run can be packaged. Its log is in the run; train again`,
    );
  }
  const own = manifest.subject === undefined ? undefined : await getTrainer(stores, manifest.subject.digest);
  for (const candidate of own === undefined || own.digest === trainer.digest ? [trainer] : [trainer, own]) {
    const claimed = trainingOf(candidate, config.params, `the parameters of run ${digest}`);
    const { params, data } = config;
    const sameInputs = canonicalBytes({ params: claimed.params, data: claimed.data }).equals(
      canonicalBytes({ params, data }),
    );
    if (
      own === undefined ||
      !sameInputs ||
      claimed.trainingId !== trainingId ||
      config.trainingId !== trainingId
    ) {
      throw new UserError(
        `run ${digest} is not of this training: build asked for training id ${trainingId}, and the run is of ${config.trainingId}` +
          `${own?.digest === trainer.digest ? '' : `, by trainer ${own?.digest ?? '(none)'} instead of ${trainer.digest}`}. ` +
          'Hand over the run, the trainer and the training id of one build',
      );
    }
  }
  return found;
}

/** Reads a Program that must be a trainer. */
export async function getTrainer(stores: readonly Store[], digest: Digest): Promise<Stored<TrainerConfig>> {
  const found = await getRecord(stores, program, digest);
  const { config } = found;
  if (config.role !== 'trainer') throw new UserError(`${digest} is a server; a trainer is needed here`);
  return { ...found, config };
}
