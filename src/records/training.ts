import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Stored } from './kind.ts';
import { resolveParams } from './params.ts';
import { SOURCE_LAYER, type TrainerConfig } from './program.ts';
import { trainingIdOf } from './run.ts';

/** A trainer with the parameters that it will run with. */
export interface ResolvedTraining {
  readonly trainingId: Digest;
  readonly params: JsonObject;
  readonly data: Readonly<Record<string, Digest>>;
}

/**
 * What a trainer and overrides amount to; build, train and package-model each work it out for themselves.
 * @param place where the overrides were given, for errors
 */
export function trainingOf(
  trainer: Stored<TrainerConfig>,
  overrides: JsonObject,
  place: string,
): ResolvedTraining {
  const { config, manifest } = trainer;
  const source = manifest.layers.find(({ mediaType }) => mediaType === SOURCE_LAYER);
  if (source === undefined)
    throw new UserError(`the trainer ${trainer.digest} has no source; build did not write it`);
  const params = resolveParams(config.params, overrides, place);
  const data = Object.fromEntries(Object.entries(config.data).map(([name, { digest }]) => [name, digest]));
  const { environment, command } = config;
  return {
    trainingId: trainingIdOf({ source: source.digest, environment, command, params, data }),
    params,
    data,
  };
}
