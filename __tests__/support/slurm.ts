/** A Slurm of one node, real and of this test alone: its daemons listen on loopback, its files lie in one folder. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Slurm, slurm } from '../../scripts/slurm.ts';
import { freePort } from './digits.ts';

export interface Cluster {
  readonly folder: string;
  /** PATH and SLURM_CONF, for whoever submits. */
  readonly env: { readonly PATH: string; readonly SLURM_CONF: string };
  /** Runs one of Slurm's commands; gives what it prints. */
  run(command: string, ...args: string[]): Promise<string>;
  /** Ends the controller, as when its machine is down; running jobs go on. */
  stopController(): Promise<void>;
  startController(): Promise<void>;
  /** Ends all jobs and all daemons. */
  stop(): Promise<void>;
}

/** Starts it, and waits until its node takes jobs. @throws with the last lines of its logs when it does not */
export async function startSlurm(): Promise<Cluster> {
  const parts = await slurm();
  const folder = await mkdtemp(join(tmpdir(), 'slurm-'));
  for (const name of ['run', 'state', 'spool', 'log']) await mkdir(join(folder, name), { mode: 0o755 });
  await writeFile(join(folder, 'munge.key'), randomBytes(128), { mode: 0o400 });
  const file = join(folder, 'slurm.conf');
  await writeFile(file, await configuration(folder, parts));
  const env = { PATH: [parts.bin, process.env.PATH].join(delimiter), SLURM_CONF: file };
  const daemons = new Map<string, ChildProcess>();
  const start = async (name: string, ...args: string[]): Promise<void> => {
    const log = await open(join(folder, 'log', name), 'a');
    daemons.set(
      name,
      spawn(join(parts.bin, name), args, {
        env: { ...process.env, ...env },
        stdio: ['ignore', log.fd, log.fd],
      }),
    );
    await log.close();
  };
  const end = async (name: string): Promise<void> => {
    const child = daemons.get(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const isLate = await Promise.race([ended.then(() => false), sleep(10_000, true, { ref: false })]);
    if (isLate) child.kill('SIGKILL');
    await ended;
  };
  const run = async (command: string, ...args: string[]): Promise<string> =>
    (
      await promisify(execFile)(join(parts.bin, command), args, {
        env: { ...process.env, ...env },
        timeout: 20_000,
      })
    ).stdout;
  const startController = (): Promise<void> => start('slurmctld', '-D', '-f', file);
  const cluster: Cluster = {
    folder,
    env,
    run,
    stopController: () => end('slurmctld'),
    startController,
    stop: async () => {
      await run('scancel', '--user', userInfo().username).catch(() => '');
      for (const name of ['slurmd', 'slurmctld', 'munged']) await end(name);
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
  const munge = {
    '--key-file': 'munge.key',
    '--socket': 'run/munge.sock',
    '--pid-file': 'run/munge.pid',
    '--seed-file': 'run/seed',
    '--log-file': 'log/munge.log',
  };
  await start(
    'munged',
    '--foreground',
    '--force',
    ...Object.entries(munge).map(([name, path]) => `${name}=${join(folder, path)}`),
  );
  await startController();
  await start('slurmd', '-D', '-f', file, '-N', nodeName(), '-d', parts.slurmstepd);
  for (let i = 0; i < 150; i++) {
    if (/^idle/.test(await run('sinfo', '--noheader', '--format=%t').catch(() => ''))) return cluster;
    await sleep(200);
  }
  const logs = await Promise.all(
    ['munged', 'slurmctld', 'slurmd'].map((name) => readFile(join(folder, 'log', name), 'utf8')),
  );
  await cluster.stop();
  throw new Error(`Slurm did not start:\n${logs.map((log) => log.slice(-2000)).join('\n')}`);
}

const nodeName = (): string => hostname().split('.')[0] ?? 'node';

async function configuration(folder: string, { plugins }: Slurm): Promise<string> {
  const node = nodeName();
  const user = userInfo().username;
  return `ClusterName=test
SlurmctldHost=${node}(127.0.0.1)
SlurmctldAddr=127.0.0.1
AuthType=auth/munge
AuthInfo=socket=${folder}/run/munge.sock
CredType=cred/munge
PluginDir=${plugins}
PlugStackConfig=/dev/null
SlurmUser=${user}
SlurmdUser=${user}
SlurmctldPort=${await freePort()}
SlurmdPort=${await freePort()}
StateSaveLocation=${folder}/state
SlurmdSpoolDir=${folder}/spool
SlurmctldPidFile=${folder}/run/slurmctld.pid
SlurmdPidFile=${folder}/run/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,batch_sched_delay=0,bf_interval=1
KillWait=5
MinJobAge=300
NodeName=${node} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
`;
}
