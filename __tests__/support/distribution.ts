/** The distribution registry itself (the one behind `docker run registry:3`), for tests with real parts and for measurements. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { tool } from '../../scripts/tools.ts';

export interface Distribution {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  readonly pid: number;
  /** What it has logged so far, for a test that fails. */
  log(): string;
  /** Ends the process, and removes the folder unless it was given. */
  close(): Promise<void>;
}

/**
 * Starts distribution v3 on a free port of 127.0.0.1, deleting permitted; the promise resolves once it listens. It has no referrers API,
 * takes no blob in a POST, and asks for no credentials.
 *
 * @param dir where it keeps everything; default a temporary folder
 * @throws when it ends instead, with what it logged
 */
export async function startDistribution(dir?: string): Promise<Distribution> {
  const home = await mkdtemp(join(tmpdir(), 'distribution-'));
  const storage = dir ?? join(home, 'storage');
  await mkdir(storage, { recursive: true });
  const config = join(home, 'config.json');
  await writeFile(
    config,
    JSON.stringify({
      version: 0.1,
      log: { level: 'info', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
      // With a secret of its own, each start would forget the uploads of the one before.
      http: { addr: '127.0.0.1:0', secret: 'of the tests' },
    }),
  );
  const child = spawn(await tool('registry'), ['serve', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
    // Otherwise it sends its traces to a collector that nobody runs.
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  });
  const ended = once(child, 'exit');
  const lines: string[] = [];
  const host = await new Promise<string>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      lines.push(line);
      const address = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`the distribution registry ended:\n${lines.join('\n')}`)));
  });
  return {
    host,
    pid: child.pid ?? 0,
    log: () => lines.join('\n'),
    async close() {
      child.kill('SIGTERM');
      await ended;
      await rm(home, { recursive: true, force: true });
    },
  };
}
