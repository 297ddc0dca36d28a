/** What a cluster has left behind. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/**
 * Tells every process of a cluster, every mount, cgroup and file that is still there.
 *
 * @param folder the cluster's, which everything in it has among its mounts
 */
export async function leftOf(folder: string): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const processes = await Promise.all(pids.map((pid) => traceOf(pid, folder)));
  const which = ['-type', 'd', '-name', `trainyard-cluster-*${folder.slice(-6)}`];
  const find = ['/sys/fs/cgroup', '-ignore_readdir_race', ...which];
  const { stdout } = await promisify(execFile)('find', find);
  const cgroups = stdout.split('\n').filter((path) => path !== '');
  return [...processes.flat(), ...cgroups, ...(existsSync(folder) ? [folder] : [])];
}

async function traceOf(pid: string, folder: string): Promise<string[]> {
  const read = (name: string): Promise<string> => readFile(`/proc/${pid}/${name}`, 'utf8').catch(() => '');
  const command = (await read('cmdline')).replaceAll('\0', ' ');
  const isThere = command.includes(folder) || (await read('mountinfo')).includes(folder);
  return isThere ? [`process ${pid}: ${command}`] : [];
}
