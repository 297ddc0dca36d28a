import { createHash, randomBytes } from 'node:crypto';
import { endMarked } from '../../lib/descendants.ts';
import { MachineError } from '../../lib/errors.ts';
import { Gateway } from './gateway.ts';
import { LogFile } from './log-file.ts';
import { ModelServer } from './model-server.ts';
import { type FrontStatus, PROTOCOL, type ServerSpec, type ServerStatus, secretsMark } from './protocol.ts';

const DRAIN_SECONDS = 30;

/** The supervisor of one project in one environment: it owns the public port and the servers behind it. */
export class Front {
  readonly #name: string;
  readonly #environment: string;
  readonly #salt = randomBytes(16).toString('hex');
  readonly #marker: string;
  readonly #log = new LogFile('front.log');
  readonly #output = new LogFile('server.log');
  readonly #gateway: Gateway;
  readonly #retiring = new Set<Promise<void>>();
  #token = 0;
  #live: ModelServer | undefined;
  #candidate: ModelServer | undefined;
  /** Between switch and commit: what to go back to. */
  #trial: { readonly previous: ModelServer | undefined } | undefined;

  /** The current folder is the state folder; logs are written there. */
  constructor(name: string, environment: string) {
    this.#name = name;
    this.#environment = environment;
    // Known beforehand, so that the next front finds the servers of one that was killed.
    this.#marker = createHash('sha256').update(process.cwd()).digest('hex').slice(0, 16);
    this.#gateway = new Gateway({
      live: () => this.#live,
      describe: () => this.#describe(),
      log: (line) => this.log(line),
    });
  }

  /** @throws MachineError for a deploy that was taken over: a later one has told this front what to do */
  admit(token: number): void {
    if (token < this.#token)
      throw new MachineError(`a later deploy has taken over (token ${this.#token}, this one has ${token})`);
    this.#token = token;
  }

  log(line: string): void {
    void this.#log.write(line);
  }

  /** Ends servers that a killed front left behind. */
  async sweep(): Promise<void> {
    await endMarked(this.#marker, 5);
  }

  status(): FrontStatus {
    return {
      protocol: PROTOCOL,
      pid: process.pid,
      name: this.#name,
      environment: this.#environment,
      salt: this.#salt,
      live: this.#statusOf(this.#live),
      candidate: this.#statusOf(this.#candidate),
      ...(this.#trial && { previous: this.#statusOf(this.#trial.previous) }),
      retiring: this.#retiring.size,
    };
  }

  /** Starts a server beside the live one, after undoing what a deploy that was cut off had begun. */
  async start(spec: ServerSpec): Promise<void> {
    this.#undo();
    await this.#gateway.open(spec.listen);
    const label = spec.release.slice('sha256:'.length, 'sha256:'.length + 12);
    this.log(`${label} is started as a candidate`);
    this.#candidate = new ModelServer(spec, {
      marker: () => this.#marker + randomBytes(16).toString('hex'),
      output: (line) => this.#output.write(`${label} ${line}`),
      log: (line) => this.log(`${label} ${line}`),
    });
  }

  /** The candidate serves from now on; what served before stays up. */
  switch(): void {
    const candidate = this.#candidate;
    if (candidate?.port == null) throw new MachineError('there is no candidate that is up');
    this.#trial = { previous: this.#live };
    this.#live = candidate;
    this.#candidate = undefined;
    this.log(`${candidate.spec.release} serves`);
  }

  /** Makes the switch final, if there is one that is not: what served before is drained and ended. */
  commit(): void {
    if (this.#trial === undefined) return;
    this.#retire(this.#trial.previous);
    this.#trial = undefined;
    this.#closePorts();
    this.log('the switch is final');
  }

  /** Takes the switch back, if there was one: what served before serves again, the new one is drained and ended. */
  revert(): void {
    if (this.#trial === undefined) return;
    const { previous } = this.#trial;
    this.#retire(this.#live);
    this.#live = previous;
    this.#trial = undefined;
    this.#closePorts();
    this.log(`the switch is taken back; ${previous?.spec.release ?? 'nothing'} serves`);
  }

  /** Ends a candidate, if there is one. */
  abandon(): void {
    this.#retire(this.#candidate);
    this.#candidate = undefined;
    this.#closePorts();
  }

  /** Tells people who ask which Deployment brought what is live. */
  note(deployment: NonNullable<ServerStatus['deployment']>): void {
    if (this.#live !== undefined) this.#live.deployment = deployment;
  }

  /** Answers what is in hand, then ends all servers. */
  async shutDown(): Promise<void> {
    this.log('it was told to end');
    await this.#gateway.closeAllBut([], DRAIN_SECONDS);
    for (const server of [this.#live, this.#candidate, this.#trial?.previous]) this.#retire(server);
    await Promise.all(this.#retiring);
    this.log('it has ended');
    await this.#log.write('');
  }

  #undo(): void {
    this.revert();
    this.abandon();
  }

  #retire(server: ModelServer | undefined): void {
    if (server === undefined) return;
    const gone = server
      .drain(DRAIN_SECONDS)
      .then(() => server.end())
      .catch((error: unknown) => this.log(`a server could not be ended: ${String(error)}`))
      .finally(() => this.#retiring.delete(gone));
    this.#retiring.add(gone);
  }

  #closePorts(): void {
    const kept = [this.#live, this.#candidate, this.#trial?.previous].flatMap(
      (one) => one?.spec.listen ?? [],
    );
    void this.#gateway.closeAllBut(kept, DRAIN_SECONDS);
  }

  #statusOf(server: ModelServer | undefined): ServerStatus | null {
    return server === undefined
      ? null
      : { ...server.status(), secrets: secretsMark(this.#salt, server.spec.secrets) };
  }

  #describe(): object {
    const names = { name: this.#name, environment: this.#environment };
    if (this.#live === undefined) return { ...names, release: null };
    const { release, package: modelPackage, run, deployment, state, since, restarts } = this.#live.status();
    return { ...names, release, package: modelPackage, run, deployment, state, since, restarts };
  }
}
