import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { diskSpace } from '../lib/disk-space.ts';
import type { Log } from '../lib/log.ts';
import type { TrainerConfig } from '../records/program.ts';
import { disksOf } from './disk.ts';
import type { Ending, Evidence } from './ending.ts';
import { follow } from './follow.ts';
import type { Start } from './launchers/launcher.ts';
import { startLocal } from './launchers/local.ts';
import { killsBetween, readMemoryKills } from './memory-kills.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { Prepared } from './prepare.ts';
import type { TrainDeps } from './request.ts';
import { lastLines } from './tail.ts';
import type { Workspace } from './workspace.ts';

/** How many lines at the end of a log tell how it ended; torchrun's own account of a failure takes thirty. */
const TELLING_LINES = 80;

export interface Launching {
  /** How much of the time budget is left, in seconds. */
  readonly budgetSeconds?: number | undefined;
  /** Reads what the program tells of itself. */
  readonly metrics: Metrics;
  /** When the newest complete checkpoint was made, in milliseconds since 1970. */
  checkpointAt?(): number | undefined;
  /** Of all processes of the program. */
  readonly marker: string;
  /** The launcher; this machine's own unless given. */
  readonly start?: Start;
}

/** Runs the program to its end, and gives what tells how it ended; what was odd about it is told after its last line. */
export async function launch(
  config: TrainerConfig,
  { command, variables }: Prepared,
  workspace: Workspace,
  deps: TrainDeps,
  { budgetSeconds, metrics, checkpointAt = () => undefined, marker, start = startLocal }: Launching,
): Promise<Evidence> {
  const { console, signal, log } = deps;
  await writeFile(workspace.log, '');
  const cwd = join(workspace.source, config.directory);
  const before = await readMemoryKills();
  const { ending, launcher } = await console(async (lines) => {
    const begin = performance.now();
    const group = await start(command, { cwd, env: variables, marker, root: workspace.root, budgetSeconds });
    const waited = (performance.now() - begin) / 1000;
    const { timeoutSeconds, silenceSeconds, finite } = config;
    const ending = await follow(group, {
      console: lines,
      metrics,
      log: workspace.log,
      signal,
      timeoutSeconds,
      silenceSeconds,
      finite,
      budgetSeconds: budgetSeconds && Math.max(0, budgetSeconds - waited),
      checkpointAt,
    });
    return { ending, launcher: await group.says?.() };
  });
  warn(ending, metrics, log);
  const { full: fullDisk, all: disks } = await diskSpace(disksOf(workspace.root, deps));
  return {
    ending,
    lastLines: await lastLines(workspace.log, TELLING_LINES),
    memoryKills: killsBetween(before, await readMemoryKills()),
    checkpointAt: checkpointAt(),
    fullDisk,
    disks,
    launcher,
  };
}

function warn({ survivors }: Ending, metrics: Metrics, log: Log): void {
  if (survivors.length > 0) {
    const names = survivors.map(({ pid, command }) => `${pid} (${command})`).join(', ');
    log.warning(`the program left processes running, and they were ended: ${names}`);
  }
  for (const problem of metrics.problems) log.warning(`metrics, ${problem}; it is not counted`);
}
