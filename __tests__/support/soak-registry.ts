/**
 * The registry of a soak: a process of its own on one folder and one port, which is killed and started anew at any moment, and fails
 * at random until it is told not to. Run as a program it is that process; stdout gets its host, then every fault that it met.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type RegistryOptions, startRegistry } from './registry.ts';
import type { Failure, RandomFaults } from './registry-faults.ts';

export interface SoakRegistryOptions {
  readonly dir: string;
  readonly port: number;
  readonly registry: RegistryOptions;
  /** Absent: nothing goes wrong. */
  readonly faults?: RandomFaults;
}

export interface SoakRegistry {
  readonly host: string;
  /** Ends the process at once, whatever it is doing. */
  kill(): Promise<void>;
}

/** How often faults are told, so that few are uncounted when the process is killed. */
const TELL_MS = 100;

/** Starts the process; `onFault` is told the kind of everything that goes wrong. */
export async function startSoakRegistry(
  options: SoakRegistryOptions,
  onFault: (kind: string) => void,
): Promise<SoakRegistry> {
  const argv = ['--disable-warning=ExperimentalWarning', import.meta.filename, JSON.stringify(options)];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const host = await new Promise<string>((resolve, reject) => {
    let isFirst = true;
    createInterface(child.stdout).on('line', (line) => {
      if (isFirst) resolve(line);
      else onFault(line);
      isFirst = false;
    });
    child.once('error', reject);
    child.once('exit', (status) => reject(new Error(`the registry ended with status ${status}`)));
  });
  return {
    host,
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** What is counted: the status, or the name of what is done. */
function kindOf(what: Failure): string {
  if (typeof what === 'number') return `status ${what}`;
  if (typeof what === 'string') return what;
  return 'status' in what ? `status ${what.status}, Retry-After` : (Object.keys(what)[0] ?? '');
}

async function serve({ dir, port, registry: options, faults }: SoakRegistryOptions): Promise<void> {
  const registry = await startRegistry({ ...options, dir, port });
  if (faults !== undefined) registry.faults.random(faults);
  process.stdout.write(`${registry.host}\n`);
  let told = 0;
  setInterval(() => {
    for (const { what } of registry.faults.met.slice(told)) process.stdout.write(`${kindOf(what)}\n`);
    told = registry.faults.met.length;
  }, TELL_MS);
}

if (process.argv[1] === import.meta.filename) await serve(JSON.parse(process.argv[2] ?? '{}'));
