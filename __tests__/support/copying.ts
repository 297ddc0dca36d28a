/** Copies of records by processes of their own, which can be killed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export interface Copying {
  /** Lets it begin. */
  begin(): void;
  kill(): void;
  /** Its exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

/** Starts a process that will copy records from a folder to `acme/digits` of a registry; resolves when it waits to begin. */
export async function startCopying(
  folder: string,
  host: string,
  scratch: string,
  digests: readonly string[],
): Promise<Copying> {
  const main = join(import.meta.dirname, 'copy-main.ts');
  const argv = ['--disable-warning=ExperimentalWarning', main, folder, host, scratch, ...digests];
  const child = spawn(process.execPath, argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(([status, signal]) => status ?? signal);
  await once(child.stdout, 'data');
  return {
    begin: () => void child.stdin.write('begin\n'),
    kill: () => void child.kill('SIGKILL'),
    ended,
  };
}
