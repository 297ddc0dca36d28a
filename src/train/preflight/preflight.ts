import type { Found } from '../../lib/descendants.ts';
import { MachineError } from '../../lib/errors.ts';
import type { TrainerConfig } from '../../records/program.ts';
import { largeEnough } from '../gpus/gpu.ts';
import { listGpus } from '../gpus/list.ts';
import { askedText, gpuLabel, gpusText } from '../gpus/words.ts';
import type { TrainDeps, TrainRequest } from '../request.ts';
import { type Finding, refuse } from './finding.ts';
import { lookAtDisk, lookAtMemory } from './room.ts';
import { lookAtRunner } from './runner.ts';
import { lookAtWorkFolder } from './work-folder.ts';

/** What has been seen already. */
export interface Seen {
  /** A path on the disk that the training works on. */
  readonly folder: string;
  /** What trainings before had left running, and was ended. */
  readonly orphans: readonly Found[];
}

/**
 * Looks at the machine before anything is fetched.
 * @returns what was found, for people
 * @throws UserError with all that stands against a training here
 */
export async function preflight(
  { config }: { readonly config: TrainerConfig },
  { singleUse = false }: TrainRequest,
  deps: TrainDeps,
  { folder, orphans }: Seen,
): Promise<Finding[]> {
  const { resources, launcher } = config;
  const { env, log } = deps;
  // What a cluster has, the cluster says.
  const isHere = launcher.kind !== 'slurm';
  const findings = [
    ...(env.GITHUB_EVENT_NAME
      ? [{ what: 'event', found: env.GITHUB_EVENT_NAME, verdict: 'ok' as const }]
      : []),
    ...(await lookAtRunner(env, singleUse)),
    ...(await lookAtWorkFolder(deps.workFolder, singleUse)),
    lookAtOrphans(orphans),
    ...(isHere ? await lookAtGpus(resources, deps) : []),
    ...(isHere ? lookAtMemory(resources) : []),
    ...(isHere ? await lookAtDisk(resources, folder) : []),
  ];
  for (const { what, found, verdict, fix } of findings)
    if (verdict === 'warning') log.info(`${what}: ${found}${fix === undefined ? '' : `; ${fix}`}`);
  refuse(findings);
  return findings;
}

function lookAtOrphans(orphans: readonly Found[]): Finding {
  if (orphans.length === 0) return { what: 'left by earlier trainings', found: 'nothing', verdict: 'ok' };
  const names = orphans.map(({ pid, command }) => `${pid} (${command})`).join(', ');
  return { what: 'left by earlier trainings', found: `${names}, ended now`, verdict: 'warning' };
}

async function lookAtGpus(resources: TrainerConfig['resources'], deps: TrainDeps): Promise<Finding[]> {
  const count = resources.gpus ?? 0;
  if (count === 0) return [];
  const asked = { count, memoryBytes: resources['gpu-memory'] };
  const list = await listGpus(deps).catch((error: unknown) => {
    if (error instanceof MachineError) return error;
    throw error;
  });
  if (list instanceof MachineError)
    return [{ what: 'GPUs', asked: askedText(asked), found: `nothing: ${list.message}`, verdict: 'refused' }];
  const { gpus, cuda } = list;
  const isEnough = largeEnough(gpus, asked.memoryBytes).length >= count;
  const drivers = [...new Set(gpus.map(({ driver }) => driver).filter(Boolean))].join(', ');
  return [
    {
      what: 'GPUs',
      asked: askedText(asked),
      found: gpusText(gpus),
      verdict: isEnough ? 'ok' : 'refused',
      ...(!isEnough && {
        fix: `use a runner with the label ${gpuLabel(asked)}, or change trainer.resources`,
      }),
    },
    {
      what: 'driver',
      found: [drivers || 'unknown', cuda === undefined ? '' : `CUDA ${cuda}`].filter(Boolean).join(', '),
      verdict: 'ok',
    },
  ];
}
