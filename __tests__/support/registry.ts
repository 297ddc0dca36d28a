/**
 * An OCI registry in this process, for tests: the OCI distribution specification 1.1 over plain HTTP on 127.0.0.1, exact where a
 * client can notice (the conformance suite of the specification passes on it), and able to lack what real registries lack and to fail
 * as they fail. Blobs are streamed to and from a folder, never held in memory.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { contentHandlers } from './registry-content.ts';
import { Disk } from './registry-disk.ts';
import { type Abilities, ALL_ABILITIES, type Handler, type Place } from './registry-options.ts';
import { Cut, lengthOf, RegistryError, type Reply, refusal, send } from './registry-reply.ts';
import { routeOf, type SeenRequest, seen } from './registry-routes.ts';
import { uploadHandlers } from './registry-uploads.ts';

export interface RegistryOptions extends Partial<Abilities> {
  /** Where everything lies; default a temporary folder that goes with the registry. */
  readonly dir?: string | undefined;
  /** Port on 127.0.0.1; default any free one. */
  readonly port?: number | undefined;
}

export interface Registry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly SeenRequest[];
  /** Where the bytes of a blob lie, for tests that damage or lose them. */
  blobPath(digest: string): string;
  close(): Promise<void>;
}

/** Starts the registry; the promise resolves once it listens. */
export async function startRegistry(options: RegistryOptions = {}): Promise<Registry> {
  const { dir = await mkdtemp(join(tmpdir(), 'registry-')), port = 0 } = options;
  const can = { ...ALL_ABILITIES, ...options };
  const disk = new Disk(dir);
  const requests: SeenRequest[] = [];
  const locate = (path: string): string => (can.locations === 'absolute' ? `http://${host()}${path}` : path);
  const place: Place = { disk, can, locate };
  const missing: Handler = () => Promise.reject(new RegistryError(404, 'UNSUPPORTED', 'not here'));
  const handlers = {
    ...contentHandlers(place),
    ...uploadHandlers(place),
    token: missing,
    getRedirected: missing,
  };

  const server = createServer((request, response) => {
    serve(request, response).catch(() => request.socket.resetAndDestroy());
  });
  // A transfer of a test may take as long as it likes.
  server.requestTimeout = 0;
  const host = (): string => {
    const address = server.address();
    return `127.0.0.1:${address !== null && typeof address === 'object' ? address.port : port}`;
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '/', headers } = request;
    const at = new URL(url, `http://${host()}`);
    let record: SeenRequest | undefined;
    let result: Reply;
    try {
      const route = routeOf(method, at);
      record = seen(route, method, url, headers);
      requests.push(record);
      const header = (name: string): string | undefined => {
        const value = headers[name];
        return Array.isArray(value) ? value.join(', ') : value;
      };
      const body = receive(request, record);
      result = await handlers[route.operation]({
        ...route,
        query: at.searchParams,
        header,
        body: () => body,
      });
    } catch (error) {
      if (error instanceof Cut || request.errored) throw error;
      result = refusal(
        error instanceof RegistryError ? error : new RegistryError(500, 'UNKNOWN', String(error)),
      );
    }
    if (record) {
      record.status = result.status;
      record.bytesOut = method === 'HEAD' ? 0 : lengthOf(result.body);
    }
    await send(request, response, result);
  }

  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: host(),
    requests,
    blobPath: (digest) => disk.blobPath(digest),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The body of a request, counted as it comes. */
async function* receive(request: IncomingMessage, record: SeenRequest): AsyncGenerator<Buffer> {
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    record.bytesIn += chunk.length;
    yield chunk;
  }
}
