/** MLflow's own server, with a database in a folder of its own. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { pythonOf } from '../../scripts/python.ts';

export interface MlflowServer {
  readonly url: string;
  /** By the names that MLflow's client knows; it answers nobody else. */
  readonly credentials: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Starts `mlflow server` on a free port of 127.0.0.1; the promise resolves once it answers. @throws with what it printed */
export async function startMlflowServer(): Promise<MlflowServer> {
  const folder = await mkdtemp(join(tmpdir(), 'mlflow-'));
  const port = await freePort();
  const credentials = {
    MLFLOW_TRACKING_USERNAME: 'admin',
    MLFLOW_TRACKING_PASSWORD: randomBytes(12).toString('hex'),
  };
  const options = [
    '--app-name',
    'basic-auth',
    '--backend-store-uri',
    `sqlite:///${folder}/db.sqlite`,
    '--workers',
    '1',
  ];
  const child = spawn(
    await pythonOf('trackers'),
    ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port), ...options],
    {
      cwd: folder,
      // Its workers are in its group, and end with it.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        // Jobs need a part of MLflow that is not installed.
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false',
        MLFLOW_DISABLE_TELEMETRY: 'true',
        MLFLOW_FLASK_SERVER_SECRET_KEY: 'of the tests',
        MLFLOW_AUTH_ADMIN_PASSWORD: credentials.MLFLOW_TRACKING_PASSWORD,
      },
    },
  );
  const printed = text(child.stderr);
  const ended = once(child, 'exit').then(() => 'ended' as const);
  const url = `http://127.0.0.1:${port}`;
  const close = async (): Promise<void> => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  for (let left = 600; left > 0; left--) {
    if ((await fetch(`${url}/health`).catch(() => undefined))?.ok) return { url, credentials, close };
    if ((await Promise.race([ended, sleep(200)])) === 'ended') break;
  }
  await close();
  throw new Error(`mlflow server does not answer:\n${await printed}`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address !== null && typeof address === 'object' ? address.port : 0;
}
