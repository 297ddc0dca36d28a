import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { MachineError } from '../../lib/errors.ts';
import { tryJson } from '../../lib/json.ts';
import type { Log } from '../../lib/log.ts';
import { digest } from '../../records/oci.ts';
import { checkpointPolicy } from '../../records/program.ts';
import { segment } from '../../records/run.ts';
import type { Store } from '../../store/store.ts';
import { Keeper } from './keeper.ts';
import { takeLock } from './lock.ts';
import { listCheckpoints, openPlace, type Place } from './place.ts';

/** In a workspace: what it takes to make its checkpoints durable after its process was killed. */
const NOTE = 'checkpoints.json';
/** In a workspace: the program's checkpoint folder. */
export const FOLDER = 'checkpoints';
const note = z.strictObject({
  place: z.string(),
  trainingId: digest,
  policy: checkpointPolicy,
  segments: z.array(segment),
  /** Whether the program had ended in its own time when this process had none left. */
  isOrderly: z.boolean().default(false),
});

/** Says in a workspace where its checkpoints belong. */
export async function leaveNote(root: string, text: z.input<typeof note>): Promise<void> {
  await writeFile(join(root, NOTE), JSON.stringify(text));
}

/** Adds that the program had ended in its own time, so that what nobody writes to any more is whole. */
export async function noteOrderly(root: string): Promise<void> {
  const found = await readNote(root);
  if (found !== undefined) await leaveNote(root, { ...found, isOrderly: true });
}

async function readNote(root: string): Promise<z.infer<typeof note> | undefined> {
  return note.safeParse(tryJson(await readFile(join(root, NOTE), 'utf8').catch(() => ''))).data;
}

/**
 * Makes durable what a killed training had no time for: its program has ended, and only what has a sign of being complete counts.
 * @param root the workspace it left
 * @param openStore opens a store in a repository
 * @param held the place whose lock this process has
 * @param patienceMs how long another training of the same is waited for, in milliseconds
 * @throws when it takes longer, or nothing can be written
 */
export async function rescueCheckpoints(
  root: string,
  log: Log,
  openStore: (value: string, what: string) => Promise<Store>,
  { held, patienceMs }: { held?: Place; patienceMs: number },
): Promise<void> {
  const found = await readNote(root);
  if (found === undefined) return;
  const { place: value, trainingId, policy, segments, isOrderly } = found;
  const place = await openPlace(value, trainingId, openStore);
  const isHeld =
    held?.trainingId === trainingId &&
    held.folder === place.folder &&
    held.store.location === place.store.location;
  const waiting = { signal: AbortSignal.timeout(patienceMs), onWait: () => {} };
  const lock = isHeld ? undefined : await takeLock(place, waiting);
  try {
    const durable = await listCheckpoints(place, () => {});
    const folder = join(root, FOLDER);
    const keeper = new Keeper({
      place,
      folder,
      policy,
      durable,
      lastSequence: durable[0]?.config.sequence ?? 0,
      log,
      now: () => ({ metrics: {}, segments }),
    });
    if (!(await keeper.finish(isOrderly)))
      throw new MachineError(`the newest checkpoint in ${root} could not be made durable`);
    await rm(join(root, NOTE), { force: true });
  } finally {
    await lock?.release();
  }
}
