import { namingDisk } from '../lib/disk-full.ts';
import { messageOf } from '../lib/errors.ts';
import { trainingOf } from '../records/training.ts';
import { getTrainer } from '../store/programs.ts';
import { findFinished } from './checkpoints/finished.ts';
import { openSession } from './checkpoints/session.ts';
import { disksOf } from './disk.ts';
import { trainHere } from './here.ts';
import type { TrainDeps, TrainRequest, TrainResult } from './request.ts';

/**
 * Runs a trainer, and records what came of it: a Run, also of a training that failed or was cancelled, then without outputs.
 * @throws UserError for what is wrong before the program starts; nothing is recorded then
 */
export async function train(request: TrainRequest, deps: TrainDeps): Promise<TrainResult> {
  const { handoff, log } = deps;
  const begin = performance.now();
  const trainer = await getTrainer(handoff, request.trainer, 'input trainer');
  const training = trainingOf(trainer, request.params, 'input params');
  log.info(`training id ${training.trainingId}`);
  const session = await openSession(training.trainingId, deps).catch(async (error: unknown) => {
    throw await namingDisk(error, disksOf(deps.checkpoints, deps));
  });
  try {
    const { commit, force = false } = request;
    const done =
      session.hasWaited && !force && (await findFinished(handoff, trainer.digest, { ...training, commit }));
    if (done) {
      log.info(`another job has just trained this: Run ${done.digest}`);
      return { trainer, run: done, series: new Map(), lastLines: [], isReused: true, findings: [] };
    }
    const signal = AbortSignal.any([deps.signal, session.lost]);
    return await trainHere(request, { trainer, training, session, begin }, { ...deps, signal });
  } finally {
    await session.release().catch((error: unknown) => log.warning(messageOf(error)));
  }
}
