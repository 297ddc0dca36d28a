import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import type { Digest } from '../../lib/digest.ts';
import { codeOf, MachineError, UserError } from '../../lib/errors.ts';
import { ask, type HttpAnswer } from '../../lib/http.ts';
import {
  type FrontStatus,
  frontStatus,
  PROTOCOL,
  type ServerSpec,
  TOKEN_HEADER,
  type Verb,
} from './protocol.ts';
import { withSocket } from './socket-path.ts';

const failure = z.object({ error: z.string() });
const anyFront = z.object({ protocol: z.int(), pid: z.int() });

/** Tells the front of a state folder what to do. Every call gives its status after it. */
export class FrontClient {
  readonly #state: string;
  readonly #token: number | undefined;

  /** @param token the fencing token of the deploy that tells it; without one it is only asked */
  constructor(state: string, token?: number) {
    this.#state = state;
    this.#token = token;
  }

  /** Undefined when no front runs. */
  async find(): Promise<FrontStatus | undefined> {
    try {
      return await this.status();
    } catch (error) {
      const code = error instanceof MachineError ? codeOf(error.cause) : codeOf(error);
      // A connection is reset when the front ends before it answers.
      if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET'].includes(code ?? '')) return undefined;
      throw error;
    }
  }

  status(): Promise<FrontStatus> {
    return this.#send('GET', 'status');
  }

  /** @throws UserError when another program holds the port */
  start(spec: ServerSpec): Promise<FrontStatus> {
    return this.#send('POST', 'start', spec);
  }

  tell(verb: Exclude<Verb, 'start' | 'deployment'>): Promise<FrontStatus> {
    return this.#send('POST', verb);
  }

  note(deployment: Digest): Promise<FrontStatus> {
    return this.#send('POST', 'deployment', { deployment });
  }

  /** Waits until the candidate is up or has failed. */
  async whenDecided(signal: AbortSignal): Promise<FrontStatus> {
    for (;;) {
      const status = await this.status();
      if (status.candidate?.state !== 'starting') return status;
      await sleep(50, undefined, { signal });
    }
  }

  /** Waits until every server that was let go is drained and ended. */
  async whenRetired(): Promise<FrontStatus> {
    for (;;) {
      const status = await this.status();
      if (status.retiring === 0) return status;
      await sleep(50);
    }
  }

  /** Ends a front that has nothing to serve, so that a first deploy that fails leaves nothing behind. */
  async endIdle(): Promise<void> {
    const status = await this.find();
    if (status === undefined || status.live !== null || status.candidate !== null || status.previous != null)
      return;
    process.kill(status.pid, 'SIGTERM');
    while ((await this.find()) !== undefined) await sleep(25);
  }

  async #send(method: string, path: string, body?: object): Promise<FrontStatus> {
    const text = body === undefined ? {} : { body: JSON.stringify(body) };
    const headers = this.#token === undefined ? {} : { [TOKEN_HEADER]: String(this.#token) };
    const answer = await withSocket(this.#state, (socketPath) =>
      ask({ socketPath }, { method, path: `/${path}`, timeoutSeconds: 60, headers, ...text }),
    );
    return statusOf(answer);
  }
}

function statusOf({ status, body }: HttpAnswer): FrontStatus {
  const found: unknown = JSON.parse(body);
  if (status !== 200) {
    const { error } = failure.parse(found);
    throw status === 400 ? new UserError(error) : new MachineError(`the front failed: ${error}`);
  }
  const { protocol, pid } = anyFront.parse(found);
  if (protocol !== PROTOCOL) {
    throw new UserError(
      `the front that runs here (process ${pid}) is of another version of Trainyard. End it with kill ${pid}, which stops what serves, and deploy again`,
    );
  }
  return frontStatus.parse(found);
}
