/** A host of files over plain HTTP on 127.0.0.1, which knows ranges, breaks off, redirects, and remembers what it was asked. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';

export interface WebReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
}

export interface WebHost {
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** Every request so far, in the order of arrival. */
  readonly asked: readonly Asked[];
  /** Files by path; a redirect is a URL. */
  readonly files: Map<string, Buffer | URL>;
  /** Of each of the next bodies only so many bytes are sent; then the connection is cut. */
  readonly cuts: number[];
  /** Of each of the next bodies only so many bytes are sent, and nothing after them. */
  readonly stalls: number[];
  /** What is answered to the requests behind a cut, in this order. */
  readonly afterCut: WebReply[];
  /** What is answered before anything else, in this order. */
  readonly first: WebReply[];
  close(): Promise<void>;
}

/**
 * Starts it; the promise resolves once it listens.
 * @param options.answer answers what is no file; by default there is nothing else
 * @param options.login `NAME:PASSWORD` without which files are refused
 * @param options.ranges whether a part can be asked for; by default it can
 */
export async function startWebHost(
  options: { answer?: (asked: Asked) => WebReply | undefined; login?: string; ranges?: boolean } = {},
): Promise<WebHost> {
  const asked: Asked[] = [];
  const files = new Map<string, Buffer | URL>();
  const cuts: number[] = [];
  const stalls: number[] = [];
  const afterCut: WebReply[] = [];
  const first: WebReply[] = [];
  const replyTo = (request: Asked): WebReply => {
    const early = first.shift();
    if (early !== undefined) return early;
    const { login } = options;
    const wanted = login && `Basic ${Buffer.from(login).toString('base64')}`;
    if (wanted !== undefined && request.headers.authorization !== wanted) return { status: 401 };
    const file = files.get(request.path);
    if (file instanceof URL) return { status: 302, headers: { location: file.href } };
    if (file === undefined) return options.answer?.(request) ?? { status: 404 };
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    if (from === 0 || options.ranges === false) return { status: 200, body: file };
    if (from >= file.length) return { status: 416 };
    const range = `bytes ${from}-${file.length - 1}/${file.length}`;
    return { status: 206, headers: { 'content-range': range }, body: file.subarray(from) };
  };
  const server = createServer((message, response) => {
    const { method = '', url = '', headers } = message;
    const request = { method, path: url, headers };
    asked.push(request);
    const reply = replyTo(request);
    const body = Buffer.from(reply.body ?? '');
    response.writeHead(reply.status, { 'content-length': body.length, ...reply.headers });
    const isWhole = method === 'HEAD' || body.length === 0;
    const cut = isWhole ? undefined : cuts.shift();
    const stall = isWhole ? undefined : stalls.shift();
    if (stall !== undefined) response.write(body.subarray(0, stall));
    else if (cut === undefined) response.end(method === 'HEAD' ? undefined : body);
    else {
      first.push(...afterCut.splice(0));
      cutOff(response, body.subarray(0, cut));
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    files,
    cuts,
    stalls,
    afterCut,
    first,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The bytes arrive; what ends the connection comes a moment later. */
function cutOff(response: ServerResponse, bytes: Buffer): void {
  response.write(bytes, () => setTimeout(() => response.destroy(), 20));
}
