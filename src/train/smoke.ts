import { join } from 'node:path';
import { UserError } from '../lib/errors.ts';
import { type Launcher, type ProgramConfig, program, type TrainerConfig } from '../records/program.ts';
import { copyBlob } from '../store/copy.ts';
import { LayoutStore } from '../store/layout.ts';
import { getTrainer } from '../store/programs.ts';
import { putRecord } from '../store/records.ts';
import type { TrainDeps, TrainRequest, TrainResult } from './request.ts';
import { claimWorkspace } from './sweep.ts';
import { train } from './train.ts';
import { removeWorkspace } from './workspace.ts';

/**
 * Runs a trainer for the few steps of `trainer.smoke`, as another trainer that asks for no GPU, in a store, with checkpoints
 * of its own that go when it ends: what it made can be neither packaged nor continued.
 * @throws UserError when the trainer has no `smoke`, and for what is wrong before the program starts
 */
export async function trySmoke(
  { trainer: digest, params, commit }: TrainRequest,
  deps: TrainDeps,
): Promise<TrainResult> {
  const { config: whole, manifest } = await getTrainer(deps.handoff, digest, 'input trainer');
  const { smoke } = whole;
  if (smoke === undefined)
    throw new UserError(
      'the trainer has no smoke test; add trainer.smoke: {params: {…}} to trainyard.yml, with parameters that make it short, or leave out the input smoke',
    );
  const root = await deps.handoff.scratch();
  const leave = await claimWorkspace(root);
  try {
    const store = new LayoutStore(join(root, 'store'));
    for (const layer of manifest.layers) await copyBlob(deps.handoff, store, layer);
    const config: ProgramConfig = smokeOf(whole, smoke.params);
    const { digest: small } = await putRecord(store, program, { config, layers: manifest.layers });
    const own = { handoff: store, checkpoints: join(root, 'checkpoints') };
    // What the smoke test sets is not to be overridden.
    const others = Object.fromEntries(Object.entries(params).filter(([name]) => !(name in smoke.params)));
    return await train({ trainer: small, params: others, commit }, { ...deps, ...own });
  } finally {
    leave();
    await removeWorkspace(root);
  }
}

function smokeOf({ smoke: _, ...rest }: TrainerConfig, params: TrainerConfig['params']): TrainerConfig {
  return {
    ...rest,
    params: { ...rest.params, ...params },
    resources: {},
    launcher: onOneProcessor(rest.launcher),
    checkpoints: { keep: 1 },
  };
}

/** A program that torchrun starts needs what torchrun sets; one that Slurm starts gets on without. */
function onOneProcessor(launcher: Launcher): Launcher {
  const torchrun =
    launcher.kind === 'torchrun' || (launcher.kind === 'slurm' && launcher.torchrun !== undefined);
  return torchrun ? { kind: 'torchrun', processes: 1, restarts: 0 } : { kind: 'local' };
}
