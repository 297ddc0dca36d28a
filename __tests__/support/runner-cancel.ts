import type { ChildProcess } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { processesOf } from './processes.ts';

/** Cancels a step as a runner does: SIGINT to its process, after 7.5 s SIGTERM, after 2.5 s SIGKILL to the tree; all over once it ends. */
export async function cancelAsRunner(step: ChildProcess): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    if (step.exitCode !== null || step.signalCode !== null) resolve();
    step.once('exit', () => resolve());
  });
  for (const [name, patienceMs] of [
    ['SIGINT', 7500],
    ['SIGTERM', 2500],
  ] as const) {
    step.kill(name);
    const isOver = await Promise.race([ended.then(() => true), sleep(patienceMs, false)]);
    if (isOver) return;
  }
  for (const pid of await treeOf(step.pid ?? 0)) kill(pid);
  await ended;
}

/** A host that is lost: SIGKILL to every process that has to do with a folder, at once and without a word before. */
export async function loseHost(folder: string): Promise<void> {
  for (let left = await processesOf(folder); left.length > 0; left = await processesOf(folder)) {
    for (const pid of left) kill(pid);
    await sleep(5);
  }
}

/** A process and those that descend from it; one whose parent has ended belongs to no tree any more. */
async function treeOf(root: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const parents = new Map(await Promise.all(pids.map(async (pid) => [pid, await parentOf(pid)] as const)));
  const tree = [root];
  for (const pid of tree) for (const [child, parent] of parents) if (parent === pid) tree.push(child);
  return tree;
}

async function parentOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended in the meantime.
  }
}
