import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Environment } from '../../lib/environment.ts';
import { codeOf, isError, MachineError, UserError } from '../../lib/errors.ts';
import { holderOf, lives } from '../../lib/holder.ts';
import { type Group, startGroup } from '../../lib/process.ts';

export interface ProxyOptions {
  /** The job's variables: KUBECONFIG, and whatever a credential plugin of it needs. */
  readonly env: Environment;
  /** A context of the kubeconfig; undefined for its current one. */
  readonly context: string | undefined;
  /** Where its socket's folder is made; a short path, since a socket's may have about a hundred bytes. */
  readonly scratch: string;
  /** The program, for tests. */
  readonly kubectl?: string;
}

const READY_SECONDS = 30;
/** How the folders of sockets begin; their process follows. */
const FOLDERS = 'trainyard-k8s-';
/** What the job says to this action alone. */
const OF_THE_ACTION = /^(INPUT|STATE)_/;

/**
 * `kubectl proxy` as a child: a way to the API server for requests without credentials, through a socket in a folder that
 * only this user can open. It is started again when it has ended.
 */
export class KubectlProxy {
  readonly #options: ProxyOptions;
  readonly #folder: string;
  #child: Promise<Group> | undefined;

  private constructor(options: ProxyOptions, folder: string) {
    this.#options = options;
    this.#folder = folder;
  }

  /** Starts it. @throws UserError when there is no kubectl, or the context is unknown */
  static async start(options: ProxyOptions): Promise<KubectlProxy> {
    await sweep(options.scratch);
    const mine = `${FOLDERS}${await holderOf(process.pid)}-`;
    const proxy = new KubectlProxy(options, await mkdtemp(join(options.scratch, mine)));
    try {
      await proxy.socket();
      return proxy;
    } catch (error) {
      await proxy.close();
      throw error;
    }
  }

  /** The path of its socket, once something listens there. */
  async socket(): Promise<string> {
    const path = join(this.#folder, 's');
    this.#child ??= this.#start(path);
    await this.#child;
    return path;
  }

  /** Ends it, and removes its folder. */
  async close(): Promise<void> {
    const child = await this.#child?.catch(() => undefined);
    await child?.end(2);
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #start(path: string): Promise<Group> {
    const { kubectl = 'kubectl', context } = this.#options;
    const argv = [
      kubectl,
      'proxy',
      `--unix-socket=${path}`,
      // Else it refuses a path of a server's own that begins with /exec or /attach.
      '--reject-paths=^$',
      ...(context === undefined ? [] : [`--context=${context}`]),
    ];
    const group = await this.#spawn(argv);
    void group.exited.then(() => {
      this.#child = undefined;
    });
    try {
      await whenListening(group);
      return group;
    } catch (error) {
      await group.end(0);
      throw error;
    }
  }

  /** By setpriv, where it is, so that it ends with this process even when that is killed. */
  async #spawn(argv: readonly string[]): Promise<Group> {
    const env = Object.fromEntries(
      Object.entries(this.#options.env).filter(([name]) => !OF_THE_ACTION.test(name)),
    );
    const start = (command: readonly string[]) => startGroup(command, { cwd: this.#folder, env });
    if (process.platform === 'linux') {
      const guarded = await start(['setpriv', '--pdeathsig', 'KILL', ...argv]).catch(() => undefined);
      if (guarded !== undefined) return guarded;
    }
    return start(argv).catch((error: unknown) => {
      throw isError(error) && codeOf(error.cause) === 'ENOENT' ? noKubectl(error) : error;
    });
  }
}

/** Removes what deploys that were killed have left; what is not ours stays. */
async function sweep(scratch: string): Promise<void> {
  for (const name of await readdir(scratch)) {
    const [, holder] = name.startsWith(FOLDERS) ? (/-(\d+-\d+)-\w+$/.exec(name) ?? []) : [];
    if (holder !== undefined && !(await lives(holder)))
      await rm(join(scratch, name), { recursive: true, force: true }).catch(() => {});
  }
}

/** Resolves with its first line. Rejects when it ends before. */
async function whenListening(group: Group): Promise<void> {
  let said = '';
  group.stderr.on('data', (chunk: Buffer) => {
    said = (said + chunk.toString('utf8')).slice(-2000);
  });
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const error = new MachineError(`kubectl proxy did not start within ${READY_SECONDS} s`);
    timer = setTimeout(() => reject(error), READY_SECONDS * 1000);
  });
  const listening = new Promise<void>((resolve) => {
    group.stdout.on('data', () => resolve());
  });
  const ended = group.exited.then(({ status }) => {
    // What setpriv says of a program that is not there.
    if (status === 127 || /failed to execute/.test(said)) throw noKubectl(undefined);
    throw new UserError(`kubectl proxy ended: ${said.trim()}. Check KUBECONFIG and target.context`);
  });
  try {
    await Promise.race([listening, ended, late]);
  } finally {
    clearTimeout(timer);
  }
}

function noKubectl(cause: unknown): UserError {
  return new UserError(
    'there is no kubectl on the PATH of this job, and the target kubernetes is reached by it. Install it in a step before: https://kubernetes.io/docs/tasks/tools/',
    { cause },
  );
}
