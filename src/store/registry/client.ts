import { Readable } from 'node:stream';
import { MachineError, type UserError } from '../../lib/errors.ts';
import type { Log } from '../../lib/log.ts';
import type { Web, WebRequest } from '../../lib/web.ts';
import { drop, rangeFrom, type WebAnswer } from '../../lib/web-answer.ts';
import { type Auth, NoToken, type Scope } from './auth.ts';
import { WHERE } from './credentials.ts';
import { hidesAbsent } from './limits.ts';
import { isDockerHub, type Reference } from './reference.ts';
import { refusalOf } from './refusal.ts';

/** A request to the repository; `path` is below `/v2/REPO/`, `url` one that the registry gave. */
export interface RegistryRequest extends Omit<WebRequest, 'url'> {
  readonly path?: string;
  readonly url?: URL;
  /** Another repository of the registry, from which a blob is mounted. */
  readonly from?: string;
  /** It is part of an upload, whatever its method. */
  readonly pushes?: boolean;
}

const ABSENT = Buffer.from('{"errors":[{"code":"NAME_UNKNOWN"}]}');

/** One repository of one registry (OCI distribution specification 1.1), with who asks and what is tried again. */
export class RegistryClient {
  readonly reference: Reference;
  readonly web: Web;
  readonly base: URL;
  /** Whether a whole blob may come in one request; learned by uploads, as is how many bytes a chunk may have. */
  takesWhole = true;
  chunkBytes = Number.POSITIVE_INFINITY;
  readonly #auth: Auth;
  readonly #log: Log;
  /** Whether people know that nothing may be read. */
  #isTold: true | undefined;

  constructor(reference: Reference, web: Web, auth: Auth, log: Log, scheme: 'http' | 'https') {
    this.reference = reference;
    this.#log = log;
    this.web = web;
    this.#auth = auth;
    this.base = new URL(`${scheme}://${serverOf(reference.host)}/v2/${reference.repository}/`);
  }

  /** For messages. */
  get name(): string {
    return `${this.reference.host}/${this.reference.repository}`;
  }

  /** Sends a request until there is a whole answer that `read` takes; see `Web.ask` for what is tried again. */
  async ask<T>(what: string, wanted: RegistryRequest, read: (answer: WebAnswer) => Promise<T>): Promise<T> {
    return this.web.retry(what, async () => read(await this.once(wanted)));
  }

  /**
   * Sends a request once, and once more with the credential that it is asked for. Any lasting status but 401 is an answer; where
   * nothing may be read, and that may be because nothing is there yet, the answer is that: who then writes is told the truth.
   */
  async once(wanted: RegistryRequest): Promise<WebAnswer> {
    const { host, repository } = this.reference;
    const { method, pushes = false } = wanted;
    if (pushes || !['GET', 'HEAD'].includes(method) || !hidesAbsent(host)) return this.#send(wanted);
    const answer = await this.#send(wanted).catch((error: unknown) => {
      if (error instanceof NoToken) return undefined;
      throw error;
    });
    if (answer !== undefined && ![401, 403].includes(answer.status)) return answer;
    if (answer !== undefined) await drop(answer);
    if (this.#isTold === undefined)
      this.#log.warning(
        `${host} lets this job read nothing of ${repository}. It says the same while nothing was written there, so before the first Package that is no fault. Else give this job the permission packages: read, and its repository access in the package's settings; other credentials are looked for in: ${WHERE}`,
      );
    this.#isTold = true;
    return { status: 404, headers: {}, url: this.base, body: Readable.from([ABSENT]) };
  }

  async #send(wanted: RegistryRequest): Promise<WebAnswer> {
    const scopes = this.#scopesOf(wanted);
    const sent = await this.prepare(wanted, scopes);
    const first = await this.web.once(sent);
    // Only the registry itself may say to whom its credential goes, and not a host that it redirects to.
    if (first.status !== 401 || first.url.origin !== this.base.origin) return first;
    if (!(await this.#auth.learn(first, scopes, sent.headers?.authorization))) return first;
    await drop(first);
    return this.web.once(await this.prepare(wanted, scopes));
  }

  /** Bytes of a GET, going on where they break off. */
  async *bytes(what: string, path: string, offset = 0): AsyncGenerator<Buffer> {
    const open = (at: number): Promise<WebAnswer> =>
      this.once({ method: 'GET', path, headers: rangeFrom(at) });
    yield* this.web.bytes(what, open, (answer) => this.expect(what, answer, [200, 206]), offset);
  }

  /** @throws UserError or MachineError, with what the registry says, unless the status is one of those */
  async expect(what: string, answer: WebAnswer, statuses: readonly number[]): Promise<void> {
    if (statuses.includes(answer.status)) return;
    throw await this.refusal(what, answer);
  }

  /** The error for an answer that was not wanted. */
  refusal(what: string, answer: WebAnswer): Promise<UserError | MachineError> {
    return refusalOf(what, this.name, answer);
  }

  /** Where an answer's `Location` points to; it may be relative. An answer that continues a session may leave it out. */
  locationOf(what: string, answer: WebAnswer, session?: URL): URL {
    const { location = '' } = answer.headers;
    if (location === '' && session !== undefined) return session;
    if (location === '' || !URL.canParse(location, answer.url.href))
      throw new MachineError(`${what}: ${this.name} answered without a Location`);
    return secured(new URL(location, answer.url), this.base);
  }

  /** The request as it goes out, with the credential if it goes to the registry itself. */
  async prepare(wanted: RegistryRequest, scopes = this.#scopesOf(wanted)): Promise<WebRequest> {
    const { path = '', url = new URL(path, this.base), headers, from: _, pushes: __, ...rest } = wanted;
    // A registry may send uploads elsewhere, to a storage that has no business with the credential.
    const own = url.origin === this.base.origin ? await this.#auth.headers(scopes) : {};
    return { ...rest, url, headers: { ...headers, ...own } };
  }

  #scopesOf({
    method,
    from,
    pushes = !['GET', 'HEAD', 'DELETE'].includes(method),
  }: RegistryRequest): Scope[] {
    const { repository } = this.reference;
    const actions = pushes ? 'pull,push' : method === 'DELETE' ? 'pull,push,delete' : 'pull';
    const own: Scope = `repository:${repository}:${actions}`;
    return from === undefined ? [own] : [own, `repository:${from}:pull`];
  }
}

/** Docker Hub is spoken to under another name than it is known by. */
function serverOf(host: string): string {
  return isDockerHub(host) ? 'registry-1.docker.io' : host;
}

/** A registry behind a proxy that ends TLS may not know that it is spoken to by https. */
function secured(url: URL, base: URL): URL {
  if (base.protocol === 'https:' && url.protocol === 'http:' && url.hostname === base.hostname)
    return new URL(`${url.pathname}${url.search}`, base);
  return url;
}
