import { spawn } from 'node:child_process';
import { basename } from 'node:path';
import type { Environment } from '../../lib/environment.ts';
import { codeOf, MachineError, messageOf } from '../../lib/errors.ts';

/** What it takes to ask a vendor's tool. */
export interface Asking {
  /** The machine's variables. */
  readonly env: Environment;
  readonly signal: AbortSignal;
  /** How long a tool may think; 10 seconds. */
  readonly limitMs?: number;
}

/** A vendor's tool that ended with another status than 0; `output` is all that it printed. */
export class ToolFailure extends MachineError {
  override name = 'ToolFailure';
  readonly output: string;

  constructor(tool: string, how: string, output: string) {
    super(`${tool} ${how}: ${output.trim().split('\n').slice(-3).join(' ').slice(0, 400)}`);
    this.output = output;
  }
}

/**
 * What a vendor's tool prints; undefined when this machine has no such tool. A tool that waits for a broken driver may not even
 * be killed, so it is not waited for.
 * @throws ToolFailure by its status, MachineError when it gives no answer in time, the reason of `signal` when aborted
 */
export function ask(
  argv: readonly [string, ...string[]],
  { env, signal, limitMs = 10_000 }: Asking,
): Promise<string | undefined> {
  signal.throwIfAborted();
  const tool = basename(argv[0]);
  return new Promise((resolve, reject) => {
    const child = spawn(argv[0], argv.slice(1), {
      env: { PATH: env.PATH, HOME: env.HOME, LD_LIBRARY_PATH: env.LD_LIBRARY_PATH, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const chunks: Buffer[] = [];
    const giveUp = (error: unknown): void => {
      child.kill('SIGKILL');
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      child.unref();
      settle(() => reject(error));
    };
    const late = setTimeout(() => giveUp(new MachineError(silence(tool, limitMs))), limitMs);
    const abort = (): void => giveUp(signal.reason);
    const settle = (how: () => void): void => {
      clearTimeout(late);
      signal.removeEventListener('abort', abort);
      how();
    };
    signal.addEventListener('abort', abort);
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => void chunks.push(chunk));
    child.on('error', (error) => {
      const absent = ['ENOENT', 'EACCES', 'ENOTDIR'].includes(codeOf(error) ?? '');
      const failed = new MachineError(`${tool} could not be started: ${messageOf(error)}`);
      settle(() => (absent ? resolve(undefined) : reject(failed)));
    });
    child.on('close', (status, ended) => {
      const text = Buffer.concat(chunks).toString();
      const how = ended === null ? `ended with status ${status}` : `was ended by ${ended}`;
      settle(() => (status === 0 ? resolve(text) : reject(new ToolFailure(tool, how, text))));
    });
  });
}

function silence(tool: string, limitMs: number): string {
  return `${tool} gave no answer in ${limitMs / 1000} seconds: the driver of a GPU hangs. Look for Xid (NVIDIA) or amdgpu lines in dmesg, and restart the machine`;
}
