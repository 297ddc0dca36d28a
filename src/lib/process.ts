import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { PassThrough, pipeline, Readable } from 'node:stream';
import { endFound, type Found, findGroup } from './descendants.ts';
import { MachineError, messageOf } from './errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface Exit {
  /** null when a signal ended the process. */
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A user's program with all that it starts: a session of its own, every process of it marked in its environment. */
export interface Group {
  readonly pid: number;
  readonly marker: string;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The leader's end; what it started may live on, see `survivors`. */
  readonly exited: Promise<Exit>;
  /** The processes of the group that are alive now, without the leader. */
  survivors(): Promise<Found[]>;
  /** SIGTERM to each process once, SIGKILL to what is left after the grace; resolves when none is left. */
  end(graceSeconds: number): Promise<void>;
}

/** A tool ended with a status other than 0. */
export class CommandError extends MachineError {
  override name = 'CommandError';
  readonly status: number | null;
  readonly stderr: string;

  constructor(command: string, exit: Exit, stderr: string) {
    const how = exit.signal === null ? `ended with status ${exit.status}` : `was ended by ${exit.signal}`;
    const last = stderr.trimEnd().split('\n').slice(-10).join('\n');
    super(`${basename(command)} ${how}${last === '' ? '' : `: ${last}`}`);
    this.status = exit.status;
    this.stderr = stderr;
  }
}

/**
 * Runs a short tool to its end and collects what it prints (`stderr`: its last 64 KiB).
 * `env` replaces the environment, `maxOutput` (bytes, 64 MiB) bounds stdout.
 * Throws CommandError on any status but 0, MachineError when it can't start or prints too much, the reason of `signal` when aborted.
 */
export async function run(
  argv: readonly string[],
  options: {
    cwd?: string;
    env?: Environment;
    input?: string | Uint8Array;
    signal?: AbortSignal;
    maxOutput?: number;
  } = {},
): Promise<{ stdout: Buffer; stderr: string }> {
  const { signal, maxOutput = 64 * 2 ** 20, input } = options;
  signal?.throwIfAborted();
  const { child, group } = await spawnGroup(argv, { ...options, env: options.env ?? process.env });
  const closed = once(child, 'close');
  const stdout: Buffer[] = [];
  let size = 0;
  let stderr = Buffer.alloc(0);
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= group.end(2);
  };
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  group.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= maxOutput) stdout.push(chunk);
    else stop();
  });
  group.stderr.on('data', (chunk: Buffer) => {
    stderr = Buffer.concat([stderr, chunk]).subarray(-64 * 1024);
  });
  child.stdin?.on('error', () => {}); // a tool may end without reading all: its status decides
  child.stdin?.end(input ?? '');
  await closed;
  signal?.removeEventListener('abort', stop);
  await stopped;
  signal?.throwIfAborted();
  const exit = await group.exited;
  if (size > maxOutput) throw new MachineError(`${argv[0]} printed more than ${maxOutput} bytes`);
  if (exit.status !== 0) throw new CommandError(argv[0] ?? '', exit, stderr.toString());
  return { stdout: Buffer.concat(stdout), stderr: stderr.toString() };
}

/**
 * Starts a user's program as the leader of its own session. `env` is its whole environment; TRAINYARD_MARKER is added, by
 * which its descendants are found (Linux; elsewhere only the process group is). stdin is empty; read stdout and stderr, or it blocks.
 * With `output`, a file descriptor, both go there instead.
 * Throws MachineError when it can't be started.
 */
export async function startGroup(
  argv: readonly string[],
  options: { cwd: string; env: Environment; marker?: string; output?: number },
): Promise<Group> {
  const { child, group } = await spawnGroup(argv, options);
  child.stdin?.on('error', () => {});
  child.stdin?.end();
  return { ...group, stdout: kept(group.stdout), stderr: kept(group.stderr) };
}

/** Node throws away what nobody has begun to read when a process ends; the reader of this may come later. */
function kept(stream: Readable): Readable {
  const reader = new PassThrough();
  pipeline(stream, reader, () => {}); // a failure is seen by the reader
  return reader;
}

/**
 * Starts a process that outlives this one: own session, stdout and stderr appended to the file `output`.
 * Throws MachineError when it can't be started.
 */
export async function launch(
  argv: readonly string[],
  options: { cwd: string; env: Environment; output: string },
): Promise<{ pid: number; exited: Promise<Exit> }> {
  const file = await open(options.output, 'a', 0o600);
  try {
    const { cwd, env } = options;
    const stdio = ['ignore' as const, file.fd, file.fd];
    const child = spawn(argv[0] ?? '', argv.slice(1), { cwd, env, detached: true, stdio });
    const started = await whenStarted(child, options.cwd);
    child.unref();
    return started;
  } finally {
    await file.close();
  }
}

async function spawnGroup(
  argv: readonly string[],
  options: { cwd?: string; env: Environment; marker?: string; output?: number },
) {
  const marker = options.marker ?? randomBytes(16).toString('hex');
  const env = { ...options.env, TRAINYARD_MARKER: marker };
  const cwd = options.cwd ?? process.cwd();
  const to = options.output ?? 'pipe';
  const child = spawn(argv[0] ?? '', argv.slice(1), { cwd, env, detached: true, stdio: ['pipe', to, to] });
  const { pid, exited } = await whenStarted(child, cwd);
  const leader = { pid, ended: false };
  child.on('exit', () => {
    leader.ended = true;
  });
  const find = () => findGroup(marker, leader);
  let asked = false;
  const group: Group = {
    pid,
    marker,
    stdout: child.stdout ?? Readable.from([]),
    stderr: child.stderr ?? Readable.from([]),
    exited,
    survivors: async () => (await find()).filter((found) => found.pid !== pid),
    end: async (graceSeconds) => {
      // A second SIGTERM makes many programs give up their own orderly end.
      const first = asked ? 0 : 'SIGTERM';
      asked = true;
      await endFound(find, first, graceSeconds);
      await exited;
    },
  };
  return { child, group };
}

/** The listener of `exit` is set before anything is awaited, so that no end is missed. */
async function whenStarted(
  child: ChildProcess,
  cwd: string,
): Promise<{ pid: number; exited: Promise<Exit> }> {
  const exited = new Promise<Exit>((resolve) => {
    child.on('exit', (status, signal) => resolve({ status, signal }));
  });
  try {
    await once(child, 'spawn');
  } catch (cause) {
    throw new MachineError(`${child.spawnfile} could not be started in ${cwd}: ${messageOf(cause)}`, {
      cause,
    });
  }
  return { pid: child.pid ?? 0, exited };
}
