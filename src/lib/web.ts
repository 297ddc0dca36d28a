import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, ProxyAgent, request } from 'undici';
import { codeOf, MachineError, UserError } from './errors.ts';
import type { Log } from './log.ts';
import { isLoopback } from './loopback.ts';
import { proxyFor } from './proxy.ts';
import { retry, TransientError } from './retry.ts';
import { skipBytes } from './streams.ts';

export interface WebRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Asked for anew at every attempt, because a stream can be sent once only. */
  readonly body?: () => Promise<Uint8Array | Readable>;
}

export interface WebAnswer {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | undefined };
  /** Where the answer came from in the end. */
  readonly url: URL;
  readonly body: Readable;
}

export interface WebOptions {
  readonly log: Log;
  readonly signal: AbortSignal;
  /** The machine's variables, for HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether a host may be spoken to without TLS. Loopback always may. */
  readonly plainHttp?: ((host: string) => boolean) | undefined;
  readonly sleep?: ((milliseconds: number) => Promise<unknown>) | undefined;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MOST_REDIRECTS = 5;
const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);
const CONNECT_MS = 30_000;
/** A registry may take minutes to check a large upload before it answers. */
const ANSWER_MS = 600_000;
/** The longest silence in the middle of a body. */
const SILENCE_MS = 60_000;

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

  /** Tries work that consists of requests as often as one request is tried. */
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
      },
    );
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
    let { url, headers = {} } = wanted;
    for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
      const answer = await this.#send({ ...wanted, url, headers });
      const { location } = answer.headers;
      if (!REDIRECTS.has(answer.status) || location === undefined) return refuseTransient(wanted, answer);
      answer.body.destroy();
      const next = new URL(location, url);
      if (next.protocol !== url.protocol && next.protocol !== 'https:')
        throw new UserError(`${url.host} redirects to ${next.origin}, away from https; this is not followed`);
      if (next.origin !== url.origin) headers = withoutCredentials(headers);
      url = next;
    }
    throw new MachineError(
      `${wanted.method} ${placeOf(wanted.url)} redirects more than ${MOST_REDIRECTS} times`,
    );
  }

  async #send({ method, url, headers, body }: WebRequest): Promise<WebAnswer> {
    this.#refusePlain(url);
    const answer = await request(url, {
      method,
      headers: { 'user-agent': 'trainyard', ...headers },
      body: (await body?.()) ?? null,
      dispatcher: this.#agentFor(url),
      signal: this.#options.signal,
    });
    const flat = Object.entries(answer.headers).map(([name, value = '']) => [name, String(value)]);
    // Whoever reads the body sees the failure; one that nobody reads must not end the process.
    answer.body.on('error', () => {});
    return { status: answer.statusCode, headers: Object.fromEntries(flat), url, body: answer.body };
  }

  #agentFor(url: URL): Dispatcher {
    const uri = proxyFor(url, this.#options.env);
    const known = this.#agents.get(uri);
    if (known !== undefined) return known;
    const times = { connect: { timeout: CONNECT_MS }, headersTimeout: ANSWER_MS, bodyTimeout: SILENCE_MS };
    const agent = uri === undefined ? new Agent(times) : new ProxyAgent({ uri, ...times });
    this.#agents.set(uri, agent);
    return agent;
  }

  #refusePlain(url: URL): void {
    if (url.protocol === 'https:') return;
    if (url.protocol === 'http:' && (isLoopback(url.hostname) || this.#options.plainHttp?.(url.host))) return;
    throw new UserError(
      `${placeOf(url)} is not https, and what goes there could be read and changed on the way. Use https`,
    );
  }
}

/** The URL without its query, which may hold a signature. */
export function placeOf({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

/** The whole of a small answer. @throws MachineError beyond `limit` bytes */
export async function bytesOf({ body, url }: WebAnswer, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > limit) throw new MachineError(`${placeOf(url)}: the answer is larger than ${limit} bytes`);
  }
  return Buffer.concat(chunks);
}

/** Reads an answer to its end and forgets it, so that its connection can be used again. */
export async function drop({ body }: WebAnswer): Promise<void> {
  for await (const _ of body);
}

/** The header that asks for what lies at an offset and behind it. */
export function rangeFrom(offset: number): Record<string, string> {
  return offset === 0 ? {} : { range: `bytes=${offset}-` };
}

async function startAt(answer: WebAnswer, check: (answer: WebAnswer) => Promise<void>, at: number) {
  const isBehindEnd = answer.status === 416 && at > 0;
  if (!isBehindEnd) await check(answer);
  const isPart = answer.status === 206 && answer.headers['content-range']?.startsWith(`bytes ${at}-`);
  // A server that knows no ranges sends the whole again.
  const rest: AsyncIterator<Buffer> = isBehindEnd ? none() : skipBytes(answer.body, isPart ? 0 : at);
  return { first: await rest.next(), rest };
}

async function* none(): AsyncGenerator<Buffer> {}

async function refuseTransient({ method }: WebRequest, answer: WebAnswer): Promise<WebAnswer> {
  if (!TRANSIENT.has(answer.status)) return answer;
  const text = (await bytesOf(answer, 1 << 16).catch(() => Buffer.alloc(0))).toString().slice(0, 200);
  const said = text === '' ? '' : `: ${text}`;
  throw new TransientError(`${method} ${placeOf(answer.url)} was answered with ${answer.status}${said}`, {
    waitSeconds: secondsUntil(answer.headers['retry-after']),
  });
}

/** Retry-After: seconds, or a date (RFC 9110, 10.2.3). */
function secondsUntil(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  const until = Date.parse(text);
  return Number.isNaN(until) ? undefined : Math.max(0, (until - Date.now()) / 1000);
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(authorization|cookie)$/i.test(name)),
  );
}

/** What the network does, or undici says of it. */
const NETWORK =
  /^(E(CONN\w+|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|AI_AGAIN)|ENOTFOUND|UND_ERR_(SOCKET|\w*TIMEOUT|RES\w+|INFO)|ERR_STREAM_PREMATURE_CLOSE|HPE_\w+)$/;

function asTransient(error: unknown): unknown {
  const code = codeOf(error);
  if (code !== undefined && NETWORK.test(code))
    return new TransientError(error instanceof Error ? error.message : code, { cause: error });
  return error;
}
