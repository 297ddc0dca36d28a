/** A place on this machine for a cluster: processes, network, mounts and cgroups of its own, of which nothing is left in the end. */
import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const PREFIX = 'trainyard-cluster-';
/** For find: cgroups of other clusters come and go while it looks. */
const CHANGING = ['-ignore_readdir_race'];

/** A program that goes on in the sandbox. */
export interface Program {
  /** False once it has ended. */
  isRunning(): boolean;
  /** Kills it, at once. */
  kill(): Promise<void>;
}

export interface Sandbox {
  /** Where its parts lie, the same inside and outside; `logs/NAME` is what each program prints. */
  readonly folder: string;
  /** Its first process. */
  readonly pid: number;
  /** The name of its folder in every hierarchy of cgroups. */
  readonly cgroup: string;
  /** Starts a program that goes on. */
  start(name: string, ...args: string[]): Promise<Program>;
  /** Runs a command in there to its end; gives what it prints. */
  run(command: string, ...args: string[]): Promise<string>;
  /** Ends every process in it, and with them mounts and network; takes away its cgroups. */
  close(): Promise<void>;
}

/**
 * Makes a sandbox. It needs root, though not CAP_SYS_RESOURCE, and cgroups of version 1.
 *
 * @param folder is there, with `logs` in it
 * @param path PATH of what runs in it
 * @throws with what it printed when it can't be made
 */
export async function makeSandbox(folder: string, path: string): Promise<Sandbox> {
  await removeCgroups(await abandoned());
  const cgroup = `${PREFIX}${process.pid}-${folder.slice(-6)}`;
  const own = ['--mount', '--net', '--pid', '--fork', '--cgroup', '--uts', '--ipc'];
  const how = ['--kill-child', '--mount-proc', '--propagation', 'private'];
  const script = join(import.meta.dirname, 'sandbox.sh');
  const keeper = spawn('unshare', [...own, ...how, 'bash', script, folder, cgroup]);
  const ended = once(keeper, 'exit');
  let said = '';
  keeper.stderr.on('data', (text) => {
    said += text;
  });
  const isReady = await Promise.race([
    once(createInterface(keeper.stdout), 'line').then(() => true),
    ended.then(() => false),
  ]);
  const close = async (): Promise<void> => {
    keeper.stdin.end();
    await ended;
    await removeCgroups([cgroup]);
  };
  if (!isReady) {
    await close();
    throw new Error(`no sandbox for a cluster, which needs root and cgroups of version 1: ${said}`);
  }
  const pid = await childOf(keeper.pid);
  const enter = ['--target', String(pid), '--mount', '--net', '--pid', '--cgroup', '--uts', '--ipc'];
  // Otherwise the registry sends its traces to a collector that nobody runs.
  const env = { ...process.env, PATH: path, OTEL_TRACES_EXPORTER: 'none' };
  const inside = [...enter, `--wdns=${folder}`, '--'];
  return {
    folder,
    pid,
    cgroup,
    close,
    run: async (...command) => (await execute('nsenter', [...inside, ...command], { env })).stdout,
    async start(name, ...args) {
      const log = await open(join(folder, 'logs', name), 'a');
      const options: SpawnOptions = { env, stdio: ['ignore', log.fd, log.fd] };
      const child = spawn('nsenter', [...inside, name, ...args], options);
      await log.close();
      return program(child);
    },
  };
}

function program(child: ChildProcess): Program {
  const ended = once(child, 'exit');
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  return {
    isRunning,
    async kill() {
      // nsenter only waits for what it has started, which its own end would not end.
      if (isRunning()) process.kill(await childOf(child.pid), 'SIGKILL');
      await ended;
    },
  };
}

async function childOf(pid = 0): Promise<number> {
  for (;;) {
    const child = Number(await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8'));
    if (child > 0) return child;
    await sleep(5);
  }
}

/** The names of the cgroups of clusters whose test has ended without closing them. */
async function abandoned(): Promise<string[]> {
  const find = [
    '/sys/fs/cgroup',
    ...CHANGING,
    '-type',
    'd',
    '-name',
    `${PREFIX}*`,
    '-printf',
    '%f\n',
    '-prune',
  ];
  const { stdout } = await execute('find', find);
  const isAlive = (name: string): Promise<boolean> =>
    readFile(`/proc/${name.slice(PREFIX.length).split('-')[0]}/stat`).then(
      () => true,
      () => false,
    );
  const names = [...new Set(stdout.split('\n').filter((name) => name !== ''))];
  const alive = await Promise.all(names.map(isAlive));
  return names.filter((_, index) => alive[index] === false);
}

/** Cgroups that have no process any more go, with all below them. @throws when one does not */
async function removeCgroups(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const remove = ['/sys/fs/cgroup', ...CHANGING, '-depth', '-type', 'd', '-path', `*/${name}*`, '-delete'];
    // A process that has just ended may still count for a moment.
    for (let tries = 0; ; tries += 1) {
      try {
        await execute('find', remove);
        break;
      } catch (error) {
        if (tries === 50) throw error;
        await sleep(100);
      }
    }
  }
}
