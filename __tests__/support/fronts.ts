import { mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach } from '@jest/globals';
import type { FrontClient } from '../../src/deploy/process/front-client.ts';
import { ensureFront } from '../../src/deploy/process/launch.ts';
import { freePort } from '../../src/deploy/process/ports.ts';
import type { FrontStatus, ServerSpec } from '../../src/deploy/process/protocol.ts';
import { type Digest, digestOf, digestOfFile } from '../../src/lib/digest.ts';
import { ask, type HttpAnswer, type HttpRequest } from '../../src/lib/http.ts';
import { endProcessesOf } from './processes.ts';
import { SERVER } from './server-file.ts';

const FRONT = join(import.meta.dirname, 'front-main.ts');

/** Two that differ, for tests that need names only. */
export const RELEASES = [digestOf(Buffer.from('one')), digestOf(Buffer.from('two'))] as const;

/** A front of its own process, in a folder of its own, and ways to ask it. */
export interface Bench {
  readonly state: string;
  readonly port: number;
  readonly client: FrontClient;
  spec(release: Digest, changes?: Partial<ServerSpec>): Promise<ServerSpec>;
  /** Starts a candidate and waits for what comes of it. */
  start(release: Digest, changes?: Partial<ServerSpec>): Promise<FrontStatus>;
  /** Starts, switches and commits. */
  golive(release: Digest, changes?: Partial<ServerSpec>): Promise<void>;
  get(path: string, more?: Partial<HttpRequest>): Promise<HttpAnswer>;
  close(): Promise<void>;
}

export async function startBench(folder = 'state'): Promise<Bench> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'trainyard-front-')));
  const state = join(root, folder);
  await mkdir(state, { recursive: true, mode: 0o700 });
  const port = await freePort();
  const place = { state, name: 'toy', environment: 'test', env: process.env };
  const client = await ensureFront({ ...place, command: async () => [process.execPath, FRONT] });
  const spec = async (release: Digest, changes: Partial<ServerSpec> = {}): Promise<ServerSpec> => ({
    release,
    package: digestOf(Buffer.from('package')),
    run: digestOf(Buffer.from('run')),
    listen: { host: '127.0.0.1', port },
    command: [process.execPath, SERVER],
    cwd: state,
    secrets: {},
    ready: '/ready',
    readyTimeoutSeconds: 20,
    folders: [],
    files: [{ path: SERVER, ...(await digestOfFile(SERVER)) }],
    ...changes,
    env: { PATH: process.env.PATH ?? '', TRAINYARD_RELEASE: release, ...changes.env },
  });
  const start = async (release: Digest, changes: Partial<ServerSpec> = {}): Promise<FrontStatus> => {
    await client.start(await spec(release, changes));
    return client.whenDecided(AbortSignal.timeout(20_000));
  };
  return {
    state,
    port,
    client,
    spec,
    start,
    golive: async (release, changes) => {
      await start(release, changes);
      await client.tell('switch');
      await client.tell('commit');
      await client.whenRetired();
    },
    get: (path, more) => ask({ host: '127.0.0.1', port }, { path, timeoutSeconds: 10, ...more }),
    close: async () => {
      await endProcessesOf(root);
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Opens fronts that are closed after each test of the file that calls this. */
export function benches(): (folder?: string) => Promise<Bench> {
  const open: Bench[] = [];
  afterEach(async () => {
    for (const made of open.splice(0)) await made.close();
  });
  return async (folder) => {
    const made = await startBench(folder);
    open.push(made);
    return made;
  };
}

/** The JSON of an answer. */
export async function json(answer: Promise<{ body: string }>) {
  return JSON.parse((await answer).body);
}

/** Waits until something holds. */
export async function until(holds: () => Promise<boolean>, seconds = 10): Promise<void> {
  for (const end = Date.now() + seconds * 1000; Date.now() < end; await sleep(25)) if (await holds()) return;
  throw new Error(`it did not hold within ${seconds} s: ${holds}`);
}

/** Whether a process lives; a zombie does not. */
export async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z');
  return !/\) [ZX]/.test(stat);
}
