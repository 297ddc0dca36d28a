import { type IncomingHttpHeaders, request } from 'node:http';
import { MachineError, messageOf } from './errors.ts';

export interface HttpRequest {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly timeoutSeconds: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Where to connect: a TCP address, or a Unix socket. */
export type HttpPlace = { readonly host: string; readonly port: number } | { readonly socketPath: string };

/** Answers beyond this are none that we ask for. */
const LARGEST = 64 * 2 ** 20;

/**
 * One HTTP/1.1 request on a connection of its own; any status is an answer.
 * Throws MachineError when there is no whole answer in time, the reason of `signal` when aborted.
 */
export function ask(place: HttpPlace, wanted: HttpRequest): Promise<HttpAnswer> {
  const { method = 'GET', path, headers, body, timeoutSeconds, signal } = wanted;
  const where = 'port' in place ? `http://${place.host}:${place.port}${path}` : path;
  return new Promise<HttpAnswer>((resolve, reject) => {
    const timer = setTimeout(
      () => sent.destroy(new Error(`no answer within ${timeoutSeconds} s`)),
      timeoutSeconds * 1000,
    );
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
    const fail = (cause: unknown): void => {
      done();
      reject(
        signal?.aborted
          ? signal.reason
          : new MachineError(`${method} ${where}: ${messageOf(cause)}`, { cause }),
      );
    };
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const sent = request({ ...place, method, path, headers: { ...headers, ...length }, agent: false });
    const abort = () => sent.destroy(new Error('aborted'));
    signal?.addEventListener('abort', abort);
    sent.on('error', fail);
    sent.on('response', (answer) => {
      const chunks: Buffer[] = [];
      let size = 0;
      answer.on('error', fail);
      answer.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > LARGEST) sent.destroy(new Error(`the answer is larger than ${LARGEST} bytes`));
        else chunks.push(chunk);
      });
      answer.on('end', () => {
        done();
        const text = Buffer.concat(chunks).toString('utf8');
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: text });
      });
    });
    sent.end(body);
    if (signal?.aborted) abort();
  });
}
