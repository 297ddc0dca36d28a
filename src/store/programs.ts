import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { Stored } from '../records/kind.ts';
import { program, type ServerConfig, type TrainerConfig } from '../records/program.ts';
import { getRecord } from './records.ts';
import type { Store } from './store.ts';

/**
 * Reads a Program that must be a trainer.
 * @param place where the digest was given, for the error
 */
export async function getTrainer(
  stores: Store | readonly Store[],
  digest: Digest,
  place: string,
): Promise<Stored<TrainerConfig>> {
  const { config, ...record } = await getRecord(stores, program, digest);
  if (config.role === 'trainer') return { ...record, config };
  throw new UserError(
    `${place} is ${digest}, which is a server; a trainer is needed here, the output trainer of build`,
  );
}

/** The same for one that must be a server. */
export async function getServer(
  stores: Store | readonly Store[],
  digest: Digest,
  place: string,
): Promise<Stored<ServerConfig>> {
  const { config, ...record } = await getRecord(stores, program, digest);
  if (config.role === 'server') return { ...record, config };
  throw new UserError(
    `${place} is ${digest}, which is a trainer; a server is needed here, the output server of build`,
  );
}
