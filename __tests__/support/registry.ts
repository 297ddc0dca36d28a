/**
 * An OCI registry in this process, for tests: the OCI distribution specification 1.1 over plain HTTP on 127.0.0.1, exact where a
 * client can notice (the conformance suite of the specification passes on it), and able to lack what real registries lack and to fail
 * as they fail. Blobs are streamed to and from a folder, never held in memory.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Access, type AccessOptions } from './registry-access.ts';
import { contentHandlers } from './registry-content.ts';
import { Disk } from './registry-disk.ts';
import { type Failure, Faults } from './registry-faults.ts';
import { type Abilities, ALL_ABILITIES, type Call, type Handler } from './registry-options.ts';
import { OtherHost, type RedirectOptions } from './registry-redirect.ts';
import { Cut, RegistryError, type Reply, refusal } from './registry-reply.ts';
import { type Operation, type Route, routeOf, type SeenRequest, seen } from './registry-routes.ts';
import { send } from './registry-send.ts';
import { uploadHandlers } from './registry-uploads.ts';

export interface RegistryOptions extends Partial<Abilities> {
  /** Where everything lies; default a temporary folder that goes with the registry. */
  readonly dir?: string | undefined;
  /** Port on 127.0.0.1; default any free one. */
  readonly port?: number | undefined;
  /** Who may do what; default everybody everything. */
  readonly access?: AccessOptions;
  /** Sends those who want a blob to another host; default it answers them itself. */
  readonly redirect?: RedirectOptions;
  /** The clock, in milliseconds since the epoch. */
  readonly now?: () => number;
}

export interface Registry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** The host that blobs are redirected to. */
  readonly otherHost: string;
  /** Every request so far, at either host, in the order of arrival. */
  readonly requests: readonly SeenRequest[];
  readonly faults: Faults;
  /** How many tokens were given out. */
  tokens(): number;
  /** Every token given out so far is good no more. */
  revokeTokens(): void;
  /** Where the bytes of a blob lie, for tests that damage or lose them. */
  blobPath(digest: string): string;
  close(): Promise<void>;
}

/** Starts the registry; the promise resolves once it listens. */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const { dir = await mkdtemp(join(tmpdir(), 'registry-')), now = Date.now } = options;
  const can = { ...ALL_ABILITIES, ...options };
  const disk = new Disk(dir);
  const requests: SeenRequest[] = [];
  const faults = new Faults();
  const server = createServer(listener(routeOf));
  const other = createServer(
    listener((_method, { searchParams }) => ({
      operation: 'getRedirected',
      repository: '',
      reference: searchParams.get('digest') ?? '',
    })),
  );
  const access = options.access && new Access(options.access, () => hostOf(server), now);
  const otherHost = new OtherHost(options.redirect ?? {}, disk, () => hostOf(other), now);
  const locate = (path: string): string =>
    can.locations === 'absolute' ? `http://${hostOf(server)}${path}` : path;
  const content = contentHandlers({ disk, can, locate });
  const handlers: Readonly<Record<Operation, Handler>> = {
    ...content,
    ...uploadHandlers({ disk, can, locate }),
    async getBlob(call) {
      const reply = await content.getBlob(call);
      return options.redirect ? otherHost.redirect(call.reference) : reply;
    },
    async token(call) {
      if (access === undefined) throw new RegistryError(404, 'UNSUPPORTED', 'this registry has no tokens');
      return access.answerToken(call);
    },
    getRedirected: otherHost.answer,
  };

  function listener(route: (method: string, url: URL) => Route) {
    return (request: IncomingMessage, response: ServerResponse): void => {
      serve(request, response, route).catch(() => request.socket.resetAndDestroy());
    };
  }

  async function serve(
    request: IncomingMessage,
    response: ServerResponse,
    routing: (method: string, url: URL) => Route,
  ): Promise<void> {
    const { method = '', url: path = '/', headers } = request;
    const url = new URL(path, 'http://registry.invalid');
    let record: SeenRequest | undefined;
    let fault: Failure | undefined;
    let reply: Reply;
    try {
      const route = routing(method, url);
      record = seen(route, method, path, headers);
      requests.push(record);
      fault = faults.meet(record);
      reply = await answer(callOf(request, record, url, fault), fault);
    } catch (error) {
      if (error instanceof Cut || request.errored) throw error;
      const known = error instanceof RegistryError;
      reply = refusal(known ? error : new RegistryError(500, 'UNKNOWN', String(error)));
    }
    await send(request, response, reply, record, fault);
  }

  async function answer(call: Call, fault: Failure | undefined): Promise<Reply> {
    if (fault === 'reset') throw new Cut();
    refuse(fault);
    if (typeof fault === 'object' && 'delay' in fault) await sleep(fault.delay);
    if (call.operation !== 'token' && call.operation !== 'getRedirected') access?.check(call);
    const reply = await handlers[call.operation](call);
    // Before the answer goes, so that whoever has it finds the tag moved.
    if (typeof fault === 'object' && 'moveTag' in fault)
      await disk.setTag(call.repository, call.reference, fault.moveTag);
    return reply;
  }

  await Promise.all([listen(server, options.port ?? 0), listen(other, 0)]);
  return {
    host: hostOf(server),
    otherHost: hostOf(other),
    requests,
    faults,
    tokens: () => access?.issued ?? 0,
    revokeTokens: () => access?.revoke(),
    blobPath: (digest) => disk.blobPath(digest),
    async close() {
      await Promise.all([server, other].map(stop));
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}

function callOf(request: IncomingMessage, record: SeenRequest, url: URL, fault: Failure | undefined): Call {
  const { operation, repository, reference } = record;
  const body = receive(request, record, fault);
  return {
    operation,
    repository,
    reference,
    query: url.searchParams,
    header(name) {
      const value = fault === 'ignore-range' && name === 'range' ? undefined : request.headers[name];
      return Array.isArray(value) ? value.join(', ') : value;
    },
    body: () => body,
  };
}

/** The body of a request, counted as it comes, up to where a fault ends the connection. */
async function* receive(
  request: IncomingMessage,
  record: SeenRequest,
  fault: Failure | undefined,
): AsyncGenerator<Buffer> {
  const cut = typeof fault === 'object' && 'cutRequest' in fault ? fault.cutRequest : undefined;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const part = cut === undefined ? chunk : chunk.subarray(0, cut - record.bytesIn);
    record.bytesIn += part.length;
    yield part;
    if (record.bytesIn === cut) throw new Cut();
  }
}

function refuse(fault: Failure | undefined): void {
  const status = typeof fault === 'object' && 'status' in fault ? fault.status : fault;
  if (typeof status !== 'number') return;
  const after = typeof fault === 'object' && 'retryAfter' in fault ? fault.retryAfter : undefined;
  const headers = { 'retry-after': after instanceof Date ? after.toUTCString() : (after ?? '') };
  const code = status === 429 ? 'TOOMANYREQUESTS' : 'UNKNOWN';
  throw new RegistryError(status, code, 'a fault of the test', after === undefined ? {} : headers);
}

async function listen(server: Server, port: number): Promise<void> {
  // A transfer of a test may take as long as it likes.
  server.requestTimeout = 0;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}

async function stop(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

function hostOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the registry does not listen');
  return `127.0.0.1:${address.port}`;
}
