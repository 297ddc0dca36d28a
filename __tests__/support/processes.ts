import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Ends every process that has to do with a folder: that was started with it in its command line or its environment, or stands in
 * it. For what a deployment leaves running on purpose.
 *
 * @param folder an absolute path that is this test's alone
 * @throws when one is still there after 10 seconds
 */
export async function endProcessesOf(folder: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    const left = await processesOf(folder);
    if (left.length === 0) return;
    for (const pid of left) signal(pid, tries < 30 ? 'SIGTERM' : 'SIGKILL');
    await sleep(100);
  }
  throw new Error(`processes of ${folder} are still there: ${(await processesOf(folder)).join(', ')}`);
}

/** The ids of the processes that have to do with a folder, this one left out. */
export async function processesOf(folder: string): Promise<number[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const found = await Promise.all(all.map(async (pid) => (await facts(pid)).includes(folder)));
  return all.filter((pid, index) => found[index] === true && pid !== process.pid);
}

/** What tells where a process belongs; a zombie and a process that has just ended tell nothing. */
async function facts(pid: number): Promise<string> {
  const files = ['cmdline', 'environ'].map((name) =>
    readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => ''),
  );
  return (await Promise.all([...files, readlink(`/proc/${pid}/cwd`).catch(() => '')])).join('\0');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended in the meantime.
  }
}
