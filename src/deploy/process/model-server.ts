import { Agent } from 'node:http';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { differs, digestOfFile } from '../../lib/digest.ts';
import { messageOf } from '../../lib/errors.ts';
import { hideSecrets } from '../../lib/hide.ts';
import { type Group, startGroup } from '../../lib/process.ts';
import { linesOf } from './log-file.ts';
import { freePort } from './ports.ts';
import type { ServerSpec, ServerStatus } from './protocol.ts';
import { deathOf, whyUnready } from './ready.ts';

const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
/** Once it was up this long, its next death is a new story. */
const HEALTHY = 60_000;
const KEPT_LINES = 40;
/** How long a server that was told to stop may take. */
const GRACE_SECONDS = 10;

export interface ServerPlace {
  /** Gives each start a marker of its own, see `startGroup`. */
  marker(): string;
  /** Where the server's own output goes. */
  output(line: string): Promise<void>;
  log(line: string): void;
}

/** The user's server: started, watched, started again when it dies, ended with all that it started. */
export class ModelServer {
  readonly spec: ServerSpec;
  /** One for each server, closed with it. Idle connections are dropped before a server would, as that could meet a request. */
  readonly agent = new Agent({ keepAlive: true, timeout: 1000 });
  /** Requests that were forwarded and not yet answered in full. */
  inFlight = 0;
  /** Set once the Deployment is written. */
  deployment: ServerStatus['deployment'] = null;
  readonly #place: ServerPlace;
  readonly #hide: (text: string) => string;
  readonly #stop = new AbortController();
  #state: ServerStatus['state'] = 'starting';
  #since = new Date();
  #port: number | null = null;
  #restarts = 0;
  #problem: string | null = null;
  #lines: string[] = [];
  #group: Promise<Group | undefined> = Promise.resolve(undefined);
  #output: Promise<unknown> = Promise.resolve();

  constructor(spec: ServerSpec, place: ServerPlace) {
    this.spec = spec;
    this.#place = place;
    this.#hide = hideSecrets(Object.values(spec.secrets));
    void this.#supervise();
  }

  /** The private port while it is up. */
  get port(): number | null {
    return this.#port;
  }

  status(): Omit<ServerStatus, 'secrets'> {
    const { release, package: modelPackage, run, listen, folders } = this.spec;
    return {
      release,
      package: modelPackage,
      run,
      listen,
      folders,
      deployment: this.deployment,
      state: this.#state,
      port: this.#port,
      since: this.#since.toISOString(),
      restarts: this.#restarts,
      problem: this.#problem,
      lines: [...this.#lines],
    };
  }

  /** Resolves when no forwarded request is open, or the limit is over. */
  async drain(limitSeconds: number): Promise<void> {
    for (const end = Date.now() + limitSeconds * 1000; this.inFlight > 0 && Date.now() < end; )
      await sleep(20);
  }

  /** Ends it and all that it started. */
  async end(): Promise<void> {
    this.#stop.abort();
    await (await this.#group)?.end(GRACE_SECONDS);
    this.agent.destroy();
  }

  async #supervise(): Promise<void> {
    let wait = FIRST_WAIT;
    while (!this.#stop.signal.aborted) {
      const { problem, upFor, again } = await this.#live().catch((error: unknown) => ({
        problem: messageOf(error),
        upFor: 0,
        again: this.#restarts > 0,
      }));
      if (this.#stop.signal.aborted) return;
      this.#set(again ? 'down' : 'failed', this.#hide(problem));
      if (!again) return;
      if (upFor > HEALTHY) wait = FIRST_WAIT;
      this.#place.log(`it is started again in ${wait / 1000} s`);
      await sleep(wait, undefined, { signal: this.#stop.signal }).catch(() => {});
      wait = Math.min(wait * 2, LONGEST_WAIT);
      this.#restarts += 1;
    }
  }

  /** One life, from the verification of its files to its death. `again`: whether another one is worth a try. */
  async #live(): Promise<{ problem: string; upFor: number; again: boolean }> {
    const damage = await this.#verify();
    if (damage !== undefined) return { problem: damage, upFor: 0, again: false };
    const port = await freePort();
    if (this.#stop.signal.aborted) return { problem: 'ended', upFor: 0, again: false };
    const starting = this.#spawn(port);
    this.#group = starting.catch(() => undefined);
    const group = await starting;
    const unready = await whyUnready(group, port, this.spec, this.#stop.signal);
    if (unready !== undefined) {
      await this.#bury(group);
      return { problem: unready, upFor: 0, again: this.#restarts > 0 };
    }
    this.#port = port;
    this.#set('up', null);
    const since = Date.now();
    const death = await deathOf(group);
    this.#port = null;
    await this.#bury(group);
    return { problem: death, upFor: Date.now() - since, again: true };
  }

  /** Ends what a dead leader left, and waits for its last words. */
  async #bury(group: Group): Promise<void> {
    await group.end(GRACE_SECONDS);
    await Promise.race([this.#output, sleep(1000)]);
  }

  async #verify(): Promise<string | undefined> {
    for (const { path, digest } of this.spec.files) {
      if (this.#stop.signal.aborted) return undefined;
      const found = await digestOfFile(path);
      if (found.digest !== digest) return differs(path, digest, found.digest).message;
    }
    return undefined;
  }

  async #spawn(port: number): Promise<Group> {
    const { command, cwd, env, secrets } = this.spec;
    const argv = command.map((argument) => argument.replaceAll('${port}', String(port)));
    const group = await startGroup(argv, {
      cwd,
      env: { ...env, ...secrets, PORT: String(port) },
      marker: this.#place.marker(),
    });
    this.#output = Promise.allSettled([this.#follow(group.stdout), this.#follow(group.stderr)]);
    return group;
  }

  async #follow(stream: Readable): Promise<void> {
    for await (const line of linesOf(stream)) await this.#keep(this.#hide(line));
  }

  async #keep(line: string): Promise<void> {
    this.#lines = [...this.#lines.slice(1 - KEPT_LINES), line];
    await this.#place.output(line);
  }

  #set(state: ServerStatus['state'], problem: string | null): void {
    this.#state = state;
    this.#since = new Date();
    this.#problem = problem ?? this.#problem;
    this.#place.log(`${state}${problem === null ? '' : `: ${problem}`}`);
  }
}
