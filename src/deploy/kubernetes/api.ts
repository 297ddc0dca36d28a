import { setTimeout as sleep } from 'node:timers/promises';
import type { z } from 'zod';
import { codeOf, MachineError, messageOf } from '../../lib/errors.ts';
import { ask, type HttpAnswer, type HttpRequest } from '../../lib/http.ts';
import { tryJson } from '../../lib/json.ts';
import type { Log } from '../../lib/log.ts';
import { MANAGER } from '../../records/cluster.ts';
import { isOutage, isUnreached, misconfigured, refusal, statusOf } from './failure.ts';
import { listOf } from './types/list.ts';
import { type AnyObject, anyObject } from './types/object.ts';

const TIMEOUT_SECONDS = 30;
/** How often an object is applied that others change at the same time. */
const TRIES = 5;
/**
 * For so long an API server may be gone in the midst of a deploy. With the time between two renewals it is less than what a lease
 * counts: who asks again still holds the lock.
 */
export const OUTAGE_SECONDS = 45;

export interface ApiOptions {
  /** The path of a socket where `kubectl proxy` listens. */
  socket(): Promise<string>;
  readonly log: Log;
  /** How long an API server that is gone is waited for. */
  readonly outageSeconds?: number;
}

export interface Wanted extends Omit<HttpRequest, 'timeoutSeconds'> {
  readonly timeoutSeconds?: number;
  /** It is passed on to a pod, whose own failures are answers, be it that none comes in time. */
  readonly isPassedOn?: boolean;
  /** Called before each attempt; what it throws ends them. */
  check?(): Promise<void>;
}

export type Query = Readonly<Record<string, string>>;

/**
 * The API server of a cluster. An API server that does not answer is asked again for a while, so that every call may be
 * made twice; then a MachineError says so. What it refuses is a UserError with its own words.
 */
export class Api {
  readonly #options: ApiOptions;
  #calls = 0;
  /** Of the API server's clock over ours, in milliseconds; its answers say the time in whole seconds. */
  #ahead = 0;
  /** Whether it has ever answered. */
  #isReached: boolean = false;
  /** What is known to be wrong with it: said once. */
  #trouble: string | undefined;

  constructor(options: ApiOptions) {
    this.#options = options;
  }

  /** How many requests were sent so far. */
  get calls(): number {
    return this.#calls;
  }

  /** The API server's time, in milliseconds since 1970, about a second wrong. */
  now(): number {
    return Date.now() + this.#ahead;
  }

  get outageSeconds(): number {
    return this.#options.outageSeconds ?? OUTAGE_SECONDS;
  }

  socket(): Promise<string> {
    return this.#options.socket();
  }

  /** Undefined where there is none. */
  async get<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
    const answer = await this.send({ path });
    return answer.status === 404 ? undefined : read(answer, `read ${path}`, schema);
  }

  async list<T>(path: string, schema: z.ZodType<T>, query: Query = {}): Promise<readonly T[]> {
    const answer = await this.send({ path: withQuery(path, query) });
    return read(answer, `list ${path}`, listOf(schema)).items ?? [];
  }

  /**
   * Server-side apply, as the owner of the fields that are given; again where another one changes the object at that moment.
   * @param dryRun all is checked and nothing is kept
   * @returns the object as the API server has it now
   */
  async apply(path: string, object: object, { dryRun = false } = {}): Promise<AnyObject> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#apply(path, object, dryRun);
      if (answer.status !== 409 || tries === TRIES) return read(answer, `apply ${nameOf(object)}`, anyObject);
      await sleep(100 * 2 ** tries);
    }
  }

  /** The same to the version alone that the object names; undefined where it has changed since. */
  async applyVersion(path: string, object: object): Promise<AnyObject | undefined> {
    const answer = await this.#apply(path, object, false);
    return answer.status === 409 ? undefined : read(answer, `apply ${nameOf(object)}`, anyObject);
  }

  #apply(path: string, object: object, dryRun: boolean): Promise<HttpAnswer> {
    const query = { fieldManager: MANAGER, force: 'true', fieldValidation: 'Strict' };
    return this.send({
      method: 'PATCH',
      path: withQuery(path, dryRun ? { ...query, dryRun: 'All' } : query),
      headers: { 'content-type': 'application/apply-patch+yaml' },
      body: JSON.stringify(object),
    });
  }

  /** Undefined where there is one of that name already. */
  async create<T>(path: string, object: object, schema: z.ZodType<T>): Promise<T | undefined> {
    const answer = await this.#write('POST', path, object);
    return answer.status === 409 ? undefined : read(answer, `create ${nameOf(object)}`, schema);
  }

  /** Replaces the version that the object names; undefined where that is no longer there. */
  async replace<T>(path: string, object: object, schema: z.ZodType<T>): Promise<T | undefined> {
    const answer = await this.#write('PUT', path, object);
    return [404, 409].includes(answer.status) ? undefined : read(answer, `write ${nameOf(object)}`, schema);
  }

  /** JSON merge patch; undefined where there is nothing to patch, or not in the version that it names. */
  async merge<T>(path: string, patch: object, schema: z.ZodType<T>): Promise<T | undefined> {
    const answer = await this.#write('PATCH', path, patch, 'application/merge-patch+json');
    return [404, 409].includes(answer.status) ? undefined : read(answer, `change ${path}`, schema);
  }

  /**
   * Removes what a path and a query name; nothing to do where there is nothing.
   * @param check called before each attempt: whether it may still be removed
   */
  async remove(path: string, query: Query = {}, check = async (): Promise<void> => {}): Promise<void> {
    const answer = await this.send({
      method: 'DELETE',
      path: withQuery(path, { ...query, propagationPolicy: 'Background' }),
      check,
    });
    if (answer.status >= 300 && answer.status !== 404) throw refusal(`remove ${path}`, answer);
  }

  /** Any request, sent until the API server answers. */
  async send(wanted: Wanted): Promise<HttpAnswer> {
    const begin = performance.now();
    for (let attempt = 0; ; attempt++) {
      await wanted.check?.();
      const [answer, problem] = await this.#once(wanted, begin);
      if (answer !== undefined) return answer;
      await this.afterOutage(begin, attempt, problem, wanted.signal);
    }
  }

  /**
   * Waits for an API server that does not answer since `begin` (performance.now).
   * @throws MachineError when it is gone for too long, the reason of `signal` when aborted
   */
  async afterOutage(
    begin: number,
    attempt: number,
    problem: string,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { outageSeconds: bound } = this;
    if (performance.now() - begin > bound * 1000)
      throw new MachineError(`the API server has not answered for ${bound} s: ${problem}`);
    if (this.#trouble === undefined)
      this.#options.log.warning(`the API server does not answer (${problem}); it is asked for ${bound} s`);
    this.#trouble = problem;
    await sleep(Math.min(1000, 50 * 2 ** attempt), undefined, signal && { signal }).catch(
      (cause: unknown) => {
        signal?.throwIfAborted();
        throw cause;
      },
    );
  }

  /** Every request comes by here: it is counted. */
  count(): void {
    this.#calls++;
  }

  async #once(wanted: Wanted, begin: number): Promise<[HttpAnswer, undefined] | [undefined, string]> {
    const { isPassedOn = false } = wanted;
    this.count();
    // Nothing of ours may still arrive after the patience is over.
    const left = Math.max(0.1, this.outageSeconds - (performance.now() - begin) / 1000);
    const timeoutSeconds = isPassedOn ? TIMEOUT_SECONDS : Math.min(TIMEOUT_SECONDS, left);
    try {
      const place = { socketPath: await this.socket() };
      const answer = await ask(place, { timeoutSeconds, ...wanted });
      const wrong = this.#isReached ? undefined : misconfigured(answer);
      if (wrong !== undefined) throw wrong;
      if (isPassedOn ? isUnreached(answer) : isOutage(answer))
        return [undefined, (statusOf(answer)?.message ?? answer.body).slice(0, 300).trim()];
      // What is passed on has the pod's time.
      const date = isPassedOn ? Number.NaN : Date.parse(answer.headers.date ?? '');
      if (!Number.isNaN(date)) this.#ahead = date - Date.now();
      this.#trouble = undefined;
      this.#isReached = true;
      return [answer, undefined];
    } catch (error) {
      wanted.signal?.throwIfAborted();
      if (!(error instanceof MachineError)) throw error;
      // Only what never arrived there may be sent again.
      if (isPassedOn && codeOf(error.cause) === undefined) throw error;
      return [undefined, messageOf(error)];
    }
  }

  #write(method: string, path: string, object: object, type = 'application/json'): Promise<HttpAnswer> {
    return this.send({
      method,
      path: withQuery(path, { fieldManager: MANAGER }),
      headers: { 'content-type': type },
      body: JSON.stringify(object),
    });
  }
}

/** A path with its query. */
export function withQuery(path: string, query: Query): string {
  const text = new URLSearchParams(query).toString();
  return text === '' ? path : `${path}?${text}`;
}

function read<T>(answer: HttpAnswer, what: string, schema: z.ZodType<T>): T {
  if (answer.status >= 300) throw refusal(what, answer);
  const parsed = schema.safeParse(tryJson(answer.body));
  if (parsed.success) return parsed.data;
  const why = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
  throw new MachineError(`the API server's answer, asked to ${what}, has another form than known: ${why}`);
}

function nameOf(object: object): string {
  const { data } = anyObject.safeParse(object);
  return data === undefined ? 'an object' : `${data.kind} ${data.metadata.name}`;
}
