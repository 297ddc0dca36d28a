import { hostname } from 'node:os';
import { type RunConfig, run } from '../records/run.ts';
import { trainingOf } from '../records/training.ts';
import { getTrainer } from '../store/programs.ts';
import { putRecord } from '../store/records.ts';
import { collectOutputs, collectTrace } from './collect.ts';
import { disksOf, namingDisk } from './disk.ts';
import { launch } from './launch.ts';
import { describeMachine } from './machine.ts';
import { fetchEarlier } from './metrics/earlier.ts';
import { endOrphans } from './orphans.ts';
import { prepare } from './prepare.ts';
import type { TrainDeps, TrainRequest, TrainResult } from './request.ts';
import { mergeSegments, segmentsBefore } from './segments.ts';
import { claimWorkspace, sweepWorkspaces } from './sweep.ts';
import { lastLines } from './tail.ts';
import { judge } from './verdict.ts';
import { makeRoom, makeWorkspace, removeWorkspace } from './workspace.ts';

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
  const { segments: before, ...link } = await segmentsBefore(
    handoff,
    request.previous,
    training.trainingId,
    log,
  );
  await endOrphans(deps.leases, log);
  const root = await handoff.scratch();
  const leave = await claimWorkspace(root);
  deps.remember({ workspace: root, leases: deps.leases });
  try {
    await sweepWorkspaces(root, log, async () => {});
    const workspace = await makeWorkspace(root, training.params);
    if (request.previous !== undefined) await fetchEarlier(handoff, request.previous, workspace.earlier);
    const prepared = await prepare(trainer, training, workspace, deps);
    const startedAt = new Date().toISOString();
    const { timeBudgetSeconds } = request;
    const passed = (performance.now() - begin) / 1000;
    const budgetSeconds = timeBudgetSeconds === undefined ? undefined : timeBudgetSeconds - passed;
    const launching = launch(trainer.config, prepared, workspace, deps, { budgetSeconds });
    const { evidence, metrics } = await launching.finally(prepared.release);
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
      segments: mergeSegments(before, [
        { startedAt, endedAt, ...evidence.ending.exit, state, host: hostname() },
      ]),
      ...link,
      machine: describeMachine(prepared.python),
    };
    if (state === 'disk-full') await makeRoom(workspace);
    const last = await lastLines(workspace.log, 20);
    const layers = [...outputs, ...(await collectTrace(handoff, workspace))];
    const record = await putRecord(handoff, run, { config, layers, subject: trainer });
    return { trainer, run: record, series: metrics.series, lastLines: last };
  } catch (error) {
    throw await namingDisk(error, disksOf(root, deps));
  } finally {
    leave();
    await removeWorkspace(root);
    deps.remember(undefined);
  }
}
