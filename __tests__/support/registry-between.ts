/** Something between client and registry that changes what passes: for what other registries, and what stands before them, do otherwise. */
import { once } from 'node:events';
import { createServer, request as httpRequest } from 'node:http';
import type { Registry } from './registry.ts';

export interface Asked {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

export interface Between {
  readonly host: string;
  readonly asked: readonly Asked[];
  /** Ends this and the registry. */
  close(): Promise<void>;
}

export type After = (told: Told, asked: Asked) => Partial<Told> | undefined;

export interface Changes {
  /** Answers without the registry. */
  readonly instead?: (asked: Asked) => Partial<Told> | undefined;
  /** Changes the registry's answer; a header that is empty is left out. */
  readonly after?: After;
}

/** Starts it before a registry; what the registry calls its own address is this one's. */
export async function startBetween(registry: Registry, { instead, after }: Changes): Promise<Between> {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    const serve = async (): Promise<void> => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      const one: Asked = {
        method: request.method ?? '',
        path: request.url ?? '',
        headers: flat(request.headers),
        body: Buffer.concat(chunks),
      };
      asked.push(one);
      const own = instead?.(one);
      let told: Told = { status: 200, headers: {}, body: Buffer.alloc(0), ...own };
      if (own === undefined) {
        const forwarded = await forward(registry.host, one);
        const { location = '', 'www-authenticate': challenge = '' } = forwarded.headers;
        const headers = {
          ...forwarded.headers,
          location: location.replace(registry.host, host),
          'www-authenticate': challenge.replaceAll(registry.host, host),
        };
        const changed = { ...forwarded, headers, ...after?.({ ...forwarded, headers }, one) };
        const isLonger = changed.body.length !== forwarded.body.length;
        const length = isLonger && { 'content-length': String(changed.body.length) };
        told = { ...changed, headers: { ...changed.headers, ...length } };
      }
      const headers = Object.entries(told.headers).filter(([, value]) => value !== '');
      response
        .writeHead(told.status, Object.fromEntries(headers))
        .end(one.method === 'HEAD' ? '' : told.body);
    };
    serve().catch(() => request.socket.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const host = `127.0.0.1:${address.port}`;
  return {
    host,
    asked,
    async close() {
      server.close();
      server.closeAllConnections();
      await registry.close();
    },
  };
}

function forward(host: string, { method, path, headers, body }: Asked): Promise<Told> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(`http://${host}${path}`, {
      method,
      headers: { ...headers, host },
      agent: false,
    });
    sent.on('error', reject);
    sent.on('response', (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('error', reject);
      answer.on('end', () =>
        resolve({
          status: answer.statusCode ?? 0,
          headers: flat(answer.headers),
          body: Buffer.concat(chunks),
        }),
      );
    });
    sent.end(body);
  });
}

function flat(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value = '']) => [name, String(value)]));
}
