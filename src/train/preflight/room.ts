import { statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import type { TrainerConfig } from '../../records/program.ts';
import { ENOUGH } from '../gpus/gpu.ts';
import { gibibytes } from '../gpus/words.ts';
import type { Finding } from './finding.ts';

type Resources = TrainerConfig['resources'];

/** Compares the machine's memory, or what its control group leaves of it, with what the trainer asks for. */
export function lookAtMemory({ memory }: Resources, limit = process.constrainedMemory()): Finding[] {
  // Without a limit this is 0, or more than any machine has.
  const bytes = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return [finding('memory', memory, bytes, '')];
}

/** Compares the room on a disk with what the trainer asks for. @param folder a path on it */
export async function lookAtDisk({ disk }: Resources, folder: string): Promise<Finding[]> {
  const { bavail, bsize } = await statfs(folder);
  return [finding('disk', disk, bavail * bsize, ` free at ${folder}`)];
}

function finding(what: 'memory' | 'disk', asked: number | undefined, bytes: number, where: string): Finding {
  const found = `${gibibytes(bytes)}${where}`;
  if (asked === undefined) return { what, found, verdict: 'ok' };
  const isEnough = bytes >= asked * ENOUGH;
  return {
    what,
    asked: gibibytes(asked),
    found,
    verdict: isEnough ? 'ok' : 'refused',
    ...(!isEnough && {
      fix: `use a runner with the label ${what}-${Math.ceil(asked / 2 ** 30)}gib, or change trainer.resources.${what}`,
    }),
  };
}
