import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { deploy } from '../../src/deploy/deploy.ts';
import type { Step } from '../../src/deploy/ledger.ts';
import { locate } from '../../src/deploy/locate.ts';
import { FolderLedger } from '../../src/deploy/process/ledger.ts';
import type { Deployed } from '../../src/deploy/request.ts';
import type { Digest } from '../../src/lib/digest.ts';
import type { Event } from '../../src/records/history.ts';
import { historyOf } from '../../src/store/history.ts';
import { LayoutStore } from '../../src/store/layout.ts';
import { isRunning, until } from './fronts.ts';
import { machineDeps } from './machine-deps.ts';
import { HERE, type Machine } from './machines.ts';

const DEPLOY = join(import.meta.dirname, 'deploy-main.ts');

/** A deploy in a process of its own. */
export interface DeployProcess {
  readonly child: ChildProcess;
  /** Once it is over: its status, and what it said. */
  readonly ended: Promise<{
    readonly status: number | null;
    readonly signal: string | null;
    readonly stdout: string;
    readonly stderr: string;
  }>;
}

/**
 * Deploys a release in a process of its own, which sends itself a signal once a step is written.
 * @param how `hours` sets its clock
 */
export function startDeploy(
  { root }: Pick<Machine, 'root'>,
  release: Digest,
  how: { step?: Step | 'recorded' | 'none'; signal?: NodeJS.Signals; hours?: number } = {},
): DeployProcess {
  const { step = 'none', signal = 'SIGKILL', hours = 0 } = how;
  const child = spawn(process.execPath, [DEPLOY, root, release, step, signal], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, CLOCK_HOURS: String(hours) },
  });
  const all = async (): Promise<Awaited<DeployProcess['ended']>> => {
    const [stdout, stderr, [status, signalled]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    return { status, signal: signalled, stdout: stdout.trim(), stderr };
  };
  return { child, ended: all() };
}

/** Waits until a process is stopped. */
export async function whenStopped({ pid = 0 }: ChildProcess): Promise<void> {
  await until(async () => {
    if (!(await isRunning(pid))) throw new Error('it has ended');
    return /\) T /.test(await readFile(`/proc/${pid}/stat`, 'utf8'));
  }, 60);
}

/** Lets the holder of a machine's lock look like one of another machine, which cannot be asked whether it lives. */
export async function takenFromAfar({ state }: Pick<Machine, 'state'>): Promise<string> {
  const [holder = ''] = await readdir(join(state, 'lock'));
  const stranger = holder.replace(/^\w+/, 'f'.repeat(12));
  await rename(join(state, 'lock', holder), join(state, 'lock', stranger));
  return stranger;
}

/** Deploys as a machine that takes a holder for gone after a second of silence. */
export async function deployImpatiently({ root, state }: Machine, release: Digest): Promise<Deployed> {
  const deps = machineDeps(root);
  const request = { release, name: undefined, environment: undefined, byHand: true, lift: false };
  const ledger = new FolderLedger(state, { everyMs: 100, patienceMs: 1000 });
  return deploy(Object.assign(await locate(request, deps), { ledger }), request, deps);
}

/** What the machine says of its deploys, the oldest first; the store says the same, or it throws. */
export async function toldBy({ state, store }: Machine): Promise<Event[]> {
  const here = await historyOf({ records: new LayoutStore(state), ...HERE });
  const there = await historyOf({ records: store, ...HERE });
  if (JSON.stringify(here) !== JSON.stringify(there))
    throw new Error(`the machine says ${JSON.stringify(here)}, the store ${JSON.stringify(there)}`);
  return here;
}

/** What a machine remembers of its deploys. */
export async function memoryOf({ state }: Pick<Machine, 'state'>): Promise<unknown> {
  return JSON.parse(await readFile(join(state, 'deploy.json'), 'utf8'));
}
