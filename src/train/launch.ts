import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf, UserError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import { startGroup } from '../lib/process.ts';
import type { TrainerConfig } from '../records/program.ts';
import { type Ending, follow } from './follow.ts';
import { Metrics } from './metrics/metrics.ts';
import { trainingMarker } from './orphans.ts';
import type { Prepared } from './prepare.ts';
import type { TrainDeps } from './request.ts';
import type { Workspace } from './workspace.ts';

/** Runs the program to its end; what was odd about it is told after its last line. */
export async function launch(
  { directory, timeoutSeconds }: TrainerConfig,
  { command, variables, params }: Prepared,
  workspace: Workspace,
  { console, signal, log, leases }: TrainDeps,
): Promise<{ ending: Ending; metrics: Metrics }> {
  await writeFile(workspace.log, '');
  const cwd = join(workspace.source, directory);
  const metrics = new Metrics({ ...workspace, directory: cwd }, params);
  const ending = await console(async (lines) => {
    const marker = await trainingMarker(leases);
    const group = await startGroup(command, { cwd, env: variables, marker }).catch((error: unknown) => {
      throw new UserError(
        `the trainer's command does not start: ${messageOf(error)}. It must be in the environment of its lock, or on this machine`,
        { cause: error },
      );
    });
    return follow(group, { console: lines, metrics, log: workspace.log, signal, timeoutSeconds });
  });
  warn(ending, metrics, log);
  return { ending, metrics };
}

function warn({ survivors }: Ending, metrics: Metrics, log: Log): void {
  if (survivors.length > 0) {
    const names = survivors.map(({ pid, command }) => `${pid} (${command})`).join(', ');
    log.warning(`the program left processes running, and they were ended: ${names}`);
  }
  for (const problem of metrics.problems) log.warning(`metrics, ${problem}; it is not counted`);
}
