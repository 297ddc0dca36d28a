import { join } from 'node:path';
import { namingDisk } from '../lib/disk-full.ts';
import { messageOf } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Stored } from '../records/kind.ts';
import type { TrainerConfig } from '../records/program.ts';
import { type RunConfig, run } from '../records/run.ts';
import type { ResolvedTraining } from '../records/training.ts';
import { putRecord } from '../store/records.ts';
import { goingOn, segmentsIn } from './account.ts';
import { keepCheckpoints } from './checkpoints/keep.ts';
import { markOf, removePlace } from './checkpoints/place.ts';
import { noteOrderly, rescueCheckpoints } from './checkpoints/rescue.ts';
import type { Restored } from './checkpoints/restore.ts';
import type { Session } from './checkpoints/session.ts';
import { collectOutputs, collectTrace } from './collect.ts';
import { disksOf } from './disk.ts';
import type { Ending } from './ending.ts';
import { sweepLeases } from './gpus/census.ts';
import type { GpuLease } from './gpus/lease.ts';
import { leaseFor } from './gpus/lease-for.ts';
import { launch } from './launch.ts';
import { scratchOf, startOf } from './launchers/choose.ts';
import { endLeftJob } from './launchers/slurm/job.ts';
import { describeMachine } from './machine.ts';
import { fetchEarlier } from './metrics/earlier.ts';
import { Metrics } from './metrics/metrics.ts';
import { endOrphans, trainingMarker } from './orphans.ts';
import { preflight } from './preflight/preflight.ts';
import { type Prepared, prepare } from './prepare.ts';
import type { TrainDeps, TrainRequest, TrainResult } from './request.ts';
import { mergeSegments, segmentsBefore } from './segments.ts';
import { claimWorkspace, sweepWorkspaces } from './sweep.ts';
import { lastLines } from './tail.ts';
import { startTelemetry } from './telemetry/telemetry.ts';
import { judge } from './verdict.ts';
import { makeRoom, makeWorkspace, removeWorkspace } from './workspace.ts';

/** What is to be trained, by this process alone. */
export interface Here {
  readonly trainer: Stored<TrainerConfig>;
  readonly training: ResolvedTraining;
  readonly session: Session;
  /** When the step began, by the steady clock in milliseconds. */
  readonly begin: number;
}

/**
 * Runs a trainer on this machine, from its newest checkpoint on, and records what came of it.
 * @throws UserError for what is wrong before the program starts; nothing is recorded then
 */
export async function trainHere(
  request: TrainRequest,
  { trainer, training, session, begin }: Here,
  deps: TrainDeps,
): Promise<TrainResult> {
  const { handoff, log } = deps;
  const { segments: before, ...link } = await segmentsBefore(
    handoff,
    request.previous,
    training.trainingId,
    log,
  );
  const orphans = await endOrphans(deps.leases, log);
  await sweepLeases(deps.leases).catch((error: unknown) => log.warning(messageOf(error)));
  const root = await scratchOf(trainer.config, deps);
  const leave = await claimWorkspace(root);
  deps.remember({ workspace: root, leases: deps.leases });
  let isSettled = true;
  let release = async (): Promise<void> => {};
  let saveNewest: (() => Promise<boolean>) | undefined;
  try {
    await sweepWorkspaces(root, log, async (left) => {
      await endLeftJob(left, deps.env);
      await rescueCheckpoints(left, log, deps.data.openStore, { held: session.place, patienceMs: SWEEP_MS });
    });
    // After the sweep, which may have saved a checkpoint that a killed training had made.
    if (request.force === true) await forget(session, log);
    const findings = await preflight(trainer, request, deps, { folder: root, orphans });
    const workspace = await makeWorkspace(root, training.params);
    if (request.previous !== undefined) await fetchEarlier(handoff, request.previous, workspace.earlier);
    const prepared = await prepare(trainer, training, workspace, deps);
    const marker = await trainingMarker(deps.leases);
    const lease = await leaseFor(trainer.config, marker, request, deps);
    release = lease.release;
    const startedAt = new Date().toISOString();
    const metrics = new Metrics(
      { ...workspace, directory: join(workspace.source, trainer.config.directory) },
      prepared.params,
    );
    const { timeBudgetSeconds } = request;
    const isOver = (): boolean =>
      performance.now() - begin >= 1000 * (timeBudgetSeconds ?? Number.POSITIVE_INFINITY);
    const { restored, keeper } = await keepCheckpoints(
      session,
      root,
      request,
      trainer.config,
      deps,
      (from) => ({
        metrics: metrics.last,
        segments: mergeSegments(before, segmentsIn(from), [goingOn(startedAt, from, isOver())]),
      }),
    );
    const passed = (performance.now() - begin) / 1000;
    const budgetSeconds = timeBudgetSeconds === undefined ? undefined : timeBudgetSeconds - passed;
    const start = await startOf(trainer.config, training, lease.gpus.length, deps);
    const launching = launch(trainer.config, withVariables(prepared, restored, lease), workspace, deps, {
      budgetSeconds,
      metrics,
      checkpointAt: () => keeper.completeAt,
      marker,
      start,
    });
    const telemetry = startTelemetry({ ...request, marker, gpus: lease.gpus, log }, deps);
    saveNewest = () => keeper.finish(false);
    const found = await launching.finally(prepared.release).finally(() => telemetry.stop());
    const usage = await telemetry.stop();
    await lease.release();
    const { ending } = found;
    // Who ended well goes on from nothing.
    const isDone = ending.cause === 'itself' && ending.exit.status === 0 && found.launcher === undefined;
    // A full disk cuts off what is written as SIGKILL does.
    const isOrderly = ending.exit.signal === null && found.fullDisk === undefined;
    saveNewest = () => keeper.finish(isOrderly, patienceOf(ending));
    isSettled = await (isDone ? keeper.leave() : saveNewest());
    if (!isSettled && isOrderly) await noteOrderly(root);
    session.lost.throwIfAborted();
    // A runner that cancels leaves no time, and the post step saves what is left; else only what is durable counts.
    const isKept = isSettled || ending.cause === 'cancelled';
    const evidence = { ...found, checkpointAt: isKept ? keeper.completeAt : undefined };
    const endedAt = new Date().toISOString();
    const { state, reason, outputs } = await judge(evidence, { ...trainer.config, timeBudgetSeconds }, () =>
      collectOutputs(handoff, workspace.output),
    );
    const config: RunConfig = {
      ...training,
      state,
      ...(reason !== undefined && { reason }),
      commit: request.commit,
      metrics: metrics.last,
      segments: mergeSegments(before, segmentsIn(restored), [
        { ...goingOn(startedAt, restored, isOver()), endedAt, ...ending.exit, state, usage },
      ]),
      ...link,
      // Of a training that succeeded none stays.
      ...(state !== 'succeeded' && keeper.newest !== undefined && { checkpoint: markOf(keeper.newest) }),
      machine: describeMachine(prepared.python, lease.gpus),
    };
    if (state === 'disk-full') {
      await makeRoom(workspace);
      // Now there may be room for a checkpoint, and after that for the Run.
      isSettled = await saveNewest();
      if (isSettled) await removeWorkspace(workspace.checkpoints).catch(() => {});
    }
    const last = await lastLines(workspace.log, 20);
    const layers = [...outputs, ...(await collectTrace(handoff, workspace))];
    const record = await putRecord(handoff, run, { config, layers, subject: trainer });
    if (state === 'succeeded') await forget(session, log);
    return { trainer, run: record, series: metrics.series, lastLines: last, isReused: false, findings };
  } catch (error) {
    // Also after a program that ended well, of which nothing could be recorded: then it has to go on from somewhere.
    if (saveNewest !== undefined) isSettled = await saveNewest().catch(() => false);
    throw await namingDisk(error, disksOf(root, deps));
  } finally {
    await release();
    leave();
    // What there was no time for is in it, and is the post step's or the next training's to save.
    if (isSettled) {
      // What a container of the program's wrote may not be ours to remove.
      await removeWorkspace(root).catch((error: unknown) => log.warning(messageOf(error)));
      deps.remember(undefined);
    }
  }
}

/** How long the training that has the checkpoints of a workspace is waited for; the workspace stays then. */
const SWEEP_MS = 2000;
/** Removes a training's checkpoints; those that cannot be removed, as in many registries, do no harm. */
async function forget({ place }: Session, log: Log): Promise<void> {
  await removePlace(place).catch((error: unknown) =>
    log.warning(`the checkpoints in ${place.store.location} stay: ${messageOf(error)}`),
  );
}

/** A runner that cancels kills the step 10 seconds after its first signal; a checkpoint has to be durable before. */
const CANCEL_MS = 7000;
/** A cancellation may come long after a time budget was used up. */
const LEAST_MS = 1500;

/** How long the newest checkpoint may take to be made durable, in milliseconds; undefined where nobody is in a hurry. */
function patienceOf({ cause, askedAt = Date.now() }: Ending): number | undefined {
  return cause === 'cancelled' ? Math.max(LEAST_MS, askedAt + CANCEL_MS - Date.now()) : undefined;
}

function withVariables(prepared: Prepared, restored: Restored | undefined, { visible }: GpuLease): Prepared {
  const variables = {
    ...prepared.variables,
    ...visible,
    ...(restored !== undefined && { TRAINYARD_RESUME_FROM: restored.path }),
  };
  return { ...prepared, variables };
}
