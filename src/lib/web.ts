import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import { MachineError, UserError } from './errors.ts';
import type { Log } from './log.ts';
import { isLoopback } from './loopback.ts';
import { proxyFor } from './proxy.ts';
import { retry, TransientError } from './retry.ts';
import { bytesOf, placeOf, refuseTransient, startAt, type WebAnswer } from './web-answer.ts';
import { asTransient, failureOf, givenUp } from './web-failures.ts';

type Headers = Readonly<Record<string, string>>;

export interface WebRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Headers;
  /** Asked for anew at every attempt, because a stream can be sent once only. */
  readonly body?: () => Promise<Uint8Array | Readable>;
  /** What is sent is not for others: a redirect to another host is an answer, and not followed. */
  readonly staysHome?: boolean;
}

export interface WebOptions {
  readonly log: Log;
  readonly signal: AbortSignal;
  /** The machine's variables, for HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Hosts that may be spoken to without TLS, with the port unless it is 80. Loopback always may. */
  readonly plainHttp?: readonly string[];
  readonly sleep?: ((milliseconds: number) => Promise<unknown>) | undefined;
}

export const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
export const MOST_REDIRECTS = 5;
const CONNECT_MS = 30_000;
/** A registry may take minutes to check a large upload before it answers. */
const ANSWER_MS = 600_000;
/** The longest silence in the middle of a body. */
const SILENCE_MS = 60_000;
/** Bytes that an answer has which says what is wrong. */
const SMALL = 1 << 16;

/** HTTP as a client of registries and of hosts of data needs it: proxies, redirects that take no credential along, retries. */
export class Web {
  readonly #options: WebOptions;
  /** Connections, by the proxy that they go through. */
  readonly #agents = new Map<string | undefined, Dispatcher>();

  constructor(options: WebOptions) {
    this.#options = options;
  }

  /**
   * Sends a request until `read` has made something of a whole answer. Connections that fail and the statuses 408, 425, 429,
   * 500, 502, 503 and 504 are tried again; any other status is an answer.
   * @param what for messages: "the upload of x"
   */
  async ask<T>(what: string, wanted: WebRequest, read: (answer: WebAnswer) => Promise<T>): Promise<T> {
    return this.retry(what, async () => read(await this.once(wanted)));
  }

  /**
   * Tries work that consists of requests as often as one request is tried.
   * @throws MachineError when it keeps failing; who waits for this within work that is tried again does not try this again
   */
  retry<T>(what: string, work: () => Promise<T>, hasProgressed?: () => boolean): Promise<T> {
    const { log, sleep, signal } = this.#options;
    return retry(
      async () => {
        signal.throwIfAborted();
        return work().catch((error: unknown) => {
          signal.throwIfAborted();
          throw asTransient(error);
        });
      },
      {
        what,
        log,
        isTransient: (error) => error instanceof TransientError,
        ...(hasProgressed !== undefined && { hasProgressed }),
        sleep,
        signal,
      },
    ).catch((error: unknown) => {
      throw error instanceof TransientError ? givenUp(what, error) : error;
    });
  }

  /**
   * The bytes of a GET as they flow, from an offset on; a body that breaks off is asked for again from there.
   * @param open sends the request for what lies at an offset, see `rangeFrom`
   * @param check throws for an answer that holds no bytes
   */
  async *bytes(
    what: string,
    open: (offset: number) => Promise<WebAnswer>,
    check: (answer: WebAnswer) => Promise<void>,
    offset = 0,
  ): AsyncGenerator<Buffer> {
    let at = offset;
    for (let isWhole = false; !isWhole; ) {
      // With its first bytes an answer has achieved something, and a failure after them begins a new count.
      const { first, rest } = await this.retry(what, async () => startAt(await open(at), check, at));
      try {
        for (let { value, done } = first; done !== true; { value, done } = await rest.next()) {
          at += value.length;
          yield value;
        }
        isWhole = true;
      } catch (error) {
        const cause = asTransient(error);
        if (!(cause instanceof TransientError)) throw error;
        this.#options.signal.throwIfAborted();
        this.#options.log.info(`${what} broke off after ${at} bytes (${cause.message}); going on from there`);
      } finally {
        await rest.return?.();
      }
    }
  }

  /**
   * Sends a request once, and follows redirects. Authorization stays at home: another host, or another scheme, never sees it.
   * @throws TransientError when it may succeed later
   */
  async once(wanted: WebRequest): Promise<WebAnswer> {
    let { url, headers = {}, method, body } = wanted;
    for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
      const answer = await this.#send({ method, url, headers, ...(body && { body }) });
      const { location = '' } = answer.headers;
      if (!REDIRECTS.has(answer.status) || !URL.canParse(location, url.href))
        return refuseTransient(wanted.method, answer);
      if (wanted.staysHome === true && new URL(location, url).origin !== url.origin) return answer;
      // Read, so that the connection serves again; what else it says is for browsers.
      await bytesOf(answer, SMALL).catch(() => {});
      if (answer.status === 303 && method !== 'HEAD') [method, body] = ['GET', undefined];
      ({ url, headers } = this.redirect(url, headers, location));
    }
    throw new MachineError(
      `${wanted.method} ${placeOf(wanted.url)} redirects more than ${MOST_REDIRECTS} times`,
    );
  }

  /** Where a redirect leads, and with which headers. @throws UserError when that is away from https */
  redirect(url: URL, headers: Headers, location: string): { url: URL; headers: Headers } {
    const next = new URL(location, url);
    if (next.protocol !== url.protocol && next.protocol !== 'https:')
      throw new UserError(`${url.host} redirects to ${next.origin}, away from https; this is not followed`);
    this.refusePlain(next);
    return { url: next, headers: next.origin === url.origin ? headers : withoutCredentials(headers) };
  }

  /** The proxy that a URL is asked for through; undefined when there is none. */
  proxyOf(url: URL): string | undefined {
    return proxyFor(url, this.#options.env);
  }

  async #send({ method, url, headers, body }: WebRequest): Promise<WebAnswer> {
    this.refusePlain(url);
    const answer = await request(url, {
      method,
      // Contents are compared with their digests, so nothing on the way may pack them.
      headers: { 'user-agent': 'trainyard', 'accept-encoding': 'identity', ...headers },
      body: (await body?.()) ?? null,
      dispatcher: this.#agentFor(url),
      signal: this.#options.signal,
    }).catch((error: unknown) => {
      throw failureOf(error, url);
    });
    const flat = Object.entries(answer.headers).map(([name, value = '']) => [name, String(value)]);
    // Whoever reads the body sees the failure; one that nobody reads must not end the process.
    answer.body.on('error', () => {});
    return { status: answer.statusCode, headers: Object.fromEntries(flat), url, body: answer.body };
  }

  #agentFor(url: URL): Dispatcher {
    const uri = this.proxyOf(url);
    const known = this.#agents.get(uri);
    if (known !== undefined) return known;
    const times = { connect: { timeout: CONNECT_MS }, headersTimeout: ANSWER_MS, bodyTimeout: SILENCE_MS };
    const agent = uri === undefined ? new Agent(times) : new ProxyAgent({ uri, ...times });
    this.#agents.set(uri, agent);
    return agent;
  }

  /** @throws UserError for a URL without TLS, unless it is of this machine or that was allowed */
  refusePlain(url: URL): void {
    if (url.protocol === 'https:') return;
    const { plainHttp } = this.#options;
    if (url.protocol === 'http:' && (isLoopback(url.hostname) || plainHttp?.includes(url.host))) return;
    const fix = plainHttp === undefined ? '' : `, or name ${url.host} in the input plain-http`;
    throw new UserError(
      `${placeOf(url)} is not https, and what goes there could be read and changed on the way. Use https${fix}`,
    );
  }
}

function withoutCredentials(headers: Headers): Headers {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(authorization|cookie)$/i.test(name)),
  );
}
