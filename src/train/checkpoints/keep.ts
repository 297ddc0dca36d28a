import { join } from 'node:path';
import type { TrainerConfig } from '../../records/program.ts';
import type { TrainDeps, TrainRequest } from '../request.ts';
import { type Circumstances, Keeper } from './keeper.ts';
import { listCheckpoints, mendPlace } from './place.ts';
import { FOLDER, leaveNote } from './rescue.ts';
import { type Restored, restore } from './restore.ts';
import type { Session } from './session.ts';

/** What the program goes on from, and who makes its new checkpoints durable. */
export interface Kept {
  readonly restored: Restored | undefined;
  readonly keeper: Keeper;
}

/**
 * Puts the newest durable checkpoint into the workspace, and begins to keep new ones.
 * @param request `force` begins anew, whatever is durable
 * @param root the workspace; a note in it says where its checkpoints belong, should this process be killed
 * @param now what a checkpoint that is made now says besides its files
 */
export async function keepCheckpoints(
  { place, lost }: Session,
  root: string,
  { force = false }: TrainRequest,
  { checkpoints: policy }: Pick<TrainerConfig, 'checkpoints'>,
  deps: TrainDeps,
  now: (restored: Restored | undefined) => Circumstances,
): Promise<Kept> {
  const folder = join(root, FOLDER);
  for (const mended of await mendPlace(place)) deps.log.warning(`checkpoints: ${mended}`);
  const restored = force ? undefined : await restore(place, folder, deps);
  const all = await listCheckpoints(place, () => {});
  // Those that were passed over are of no use, and count for nothing among those to keep.
  const first = all.findIndex(({ digest }) => digest === restored?.checkpoint.digest);
  const durable = first === -1 ? [] : all.slice(first);
  const { segments } = now(restored);
  await leaveNote(root, {
    place: deps.checkpoints,
    trainingId: place.trainingId,
    policy,
    segments: [...segments],
  });
  const keeper = new Keeper({
    place,
    folder,
    policy,
    durable,
    lastSequence: all[0]?.config.sequence ?? 0,
    lost,
    log: deps.log,
    now: () => now(restored),
  });
  await keeper.start();
  return { restored, keeper };
}
