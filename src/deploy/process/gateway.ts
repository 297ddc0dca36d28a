import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { createProxyServer } from 'httpxy';
import { codeOf, MachineError, messageOf, UserError } from '../../lib/errors.ts';
import type { ModelServer } from './model-server.ts';
import { isWebSocket, serveWithoutOffer } from './ordinary.ts';
import { type Address, RELEASE_PATH } from './protocol.ts';

const RELEASE_HEADER = 'x-trainyard-release';

export interface Routes {
  /** Who gets the next request. */
  live(): ModelServer | undefined;
  /** The answer to RELEASE_PATH. */
  describe(): object;
  log(line: string): void;
}

/** The public side: one or more ports whose requests go to the live server. */
export class Gateway {
  readonly #routes: Routes;
  readonly #proxy = createProxyServer({ xfwd: true });
  readonly #listeners = new Map<string, Server>();

  constructor(routes: Routes) {
    this.#routes = routes;
    this.#proxy.on('proxyRes', (answer) => {
      delete answer.headers[RELEASE_HEADER];
    });
    this.#proxy.on('error', (error, _request, answer) => {
      routes.log(`a request failed: ${messageOf(error)}`);
      if (answer === undefined || !('headersSent' in answer)) return;
      if (answer.headersSent) answer.destroy();
      else refuse(answer, 502, 'the server broke off before it answered');
    });
  }

  /**
   * Opens a port; one that is open stays as it is.
   * Throws UserError when another program or another address of the front holds it, MachineError when it can't be opened at all.
   */
  async open(address: Address): Promise<void> {
    if (this.#listeners.has(keyOf(address))) return;
    const server = createServer((request, answer) => this.#answer(request, answer));
    // Longer than the idle time of the proxies that people put in front, which would otherwise meet a closing connection.
    server.keepAliveTimeout = 75_000;
    server.on('upgrade', (request, socket, head) => {
      if (isWebSocket(request) || !(socket instanceof Socket)) this.#upgrade(request, socket, head);
      else serveWithoutOffer(server, request, socket, head);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(whyClosed(address, error, this.#hostAt(address.port))));
      server.listen(address.port, address.host, resolve);
    });
    server.on('error', (error) => this.#routes.log(`port ${address.port}: ${messageOf(error)}`));
    this.#listeners.set(keyOf(address), server);
  }

  /** Closes all ports but these; connections that are busy have `limitSeconds` to end. */
  async closeAllBut(kept: readonly Address[], limitSeconds: number): Promise<void> {
    const keys = kept.map(keyOf);
    const closing = [...this.#listeners].filter(([key]) => !keys.includes(key));
    await Promise.all(
      closing.map(async ([key, server]) => {
        this.#listeners.delete(key);
        let open = true;
        server.close(() => {
          open = false;
        });
        for (const end = Date.now() + limitSeconds * 1000; open && Date.now() < end; await sleep(20))
          server.closeIdleConnections();
        server.closeAllConnections();
      }),
    );
  }

  #answer(request: IncomingMessage, answer: ServerResponse): void {
    const live = this.#routes.live();
    if (request.url === RELEASE_PATH && request.method === 'GET') {
      const body = JSON.stringify(this.#routes.describe());
      answer.writeHead(live === undefined ? 503 : 200, { 'content-type': 'application/json' }).end(body);
    } else if (live === undefined || live.port === null) {
      refuse(answer, 503, 'no server is up; try again soon');
    } else {
      answer.setHeader(RELEASE_HEADER, live.spec.release);
      this.#count(live, answer);
      const target = { host: '127.0.0.1', port: live.port };
      // What a client wants of its own connection is not the server's business: told to close, many servers do so without
      // saying it, and the next request would meet that. A body in chunks makes the proxy ask for it, so it gets one alone.
      const agent = request.headers['transfer-encoding'] === undefined ? live.agent : false;
      const headers = { connection: agent === false ? 'close' : 'keep-alive' };
      void this.#proxy.web(request, answer, { target, agent, headers });
    }
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const live = this.#routes.live();
    if (live === undefined || live.port === null || !(socket instanceof Socket)) {
      socket.end('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\r\n');
      return;
    }
    this.#count(live, socket);
    const target = { host: '127.0.0.1', port: live.port };
    void this.#proxy.ws(request, socket, { target, agent: false }, head);
  }

  /** At which of its addresses this front has a port. */
  #hostAt(port: number): string | undefined {
    const key = [...this.#listeners.keys()].find((one) => one.endsWith(` ${port}`));
    return key?.split(' ')[0];
  }

  #count(server: ModelServer, until: ServerResponse | Socket): void {
    server.inFlight += 1;
    until.once('close', () => {
      server.inFlight -= 1;
    });
  }
}

function refuse(answer: ServerResponse, status: number, error: string): void {
  answer
    .writeHead(status, { 'content-type': 'application/json', 'retry-after': '1' })
    .end(JSON.stringify({ error }));
}

function keyOf({ host, port }: Address): string {
  return `${host} ${port}`;
}

function whyClosed({ host, port }: Address, error: Error, own: string | undefined): Error {
  const place = `port ${port} on ${host}`;
  if (codeOf(error) !== 'EADDRINUSE')
    return new MachineError(`${place} cannot be opened: ${messageOf(error)}`, { cause: error });
  // Two sockets can't have it at once, and the one that serves is not closed for one that may fail.
  return new UserError(
    own === undefined
      ? `${place} is held by another program. End that program, or give target.port in environments/ another port and release again`
      : `${place} is held by the front itself, which serves on ${own}. Give another target.port, too; the release after that one may have port ${port} again`,
  );
}
