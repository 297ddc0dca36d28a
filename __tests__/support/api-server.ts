/**
 * A stand-in for the API server behind `kubectl proxy`, for what a real one can't be made to do: it keeps objects by path with their
 * versions, selects by labels, can be gone, and can take a request without answering it. It knows no kinds, admits all, and runs nothing.
 */
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { Api } from '../../src/deploy/kubernetes/api.ts';
import { recordingLog } from './log.ts';

const anObject = z.looseObject({
  metadata: z.looseObject({
    name: z.string(),
    resourceVersion: z.string().optional(),
    labels: z.record(z.string(), z.string()).optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
  data: z.record(z.string(), z.string()).optional(),
});
type AnObject = z.infer<typeof anObject>;

type Behaviour = 'answers' | 'is gone' | 'takes writes and never answers them';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly selector: string;
}

export class ApiServer {
  readonly objects = new Map<string, AnObject>();
  readonly requests: string[] = [];
  readonly log = recordingLog();
  behaviour: Behaviour = 'answers';
  /** What its user may not do, as `METHOD /path`; APPLY and WATCH are methods, too. */
  forbidden: RegExp | undefined;
  /** What fails with status 500, as `METHOD /path`, and its words. */
  broken: { readonly asked: RegExp; readonly words: string } | undefined;
  /** What kubectl says while it is gone. */
  lastWords = 'dial tcp 127.0.0.1:6443: connect: connection refused';
  /** What its answers say that time is, or those of a pod that it passes on; the real time unless given. */
  date: string | undefined;
  /** The status of what stands at a path, as a server's answer that is passed on may have; 200 unless given. */
  readonly statuses = new Map<string, number>();
  #version = 0;
  readonly #watching = new Set<{ path: string; answer: ServerResponse }>();
  readonly #server = createServer((request, answer) => void this.#serve(request, answer));
  #folder = '';

  static async start(): Promise<ApiServer> {
    const server = new ApiServer();
    server.#folder = await mkdtemp(join(tmpdir(), 'api-'));
    server.#server.listen(server.socket);
    await once(server.#server, 'listening');
    return server;
  }

  get socket(): string {
    return join(this.#folder, 's');
  }

  api(outageSeconds?: number): Api {
    const bound = outageSeconds === undefined ? {} : { outageSeconds };
    return new Api({ socket: async () => this.socket, log: this.log, ...bound });
  }

  /** Ends all connections, watches too. */
  cut(): void {
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await rm(this.#folder, { recursive: true, force: true });
  }

  put(path: string, object: AnObject): AnObject {
    const isNew = !this.objects.has(path);
    const kept = {
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(++this.#version) },
    };
    this.objects.set(path, kept);
    this.#tell(path, isNew ? 'ADDED' : 'MODIFIED', kept);
    return kept;
  }

  remove(path: string): void {
    const found = this.objects.get(path);
    if (found === undefined || !this.objects.delete(path)) return;
    this.#tell(path, 'DELETED', found);
  }

  #tell(path: string, type: string, object: AnObject): void {
    for (const watching of this.#watching)
      if (path.startsWith(`${watching.path}/`))
        watching.answer.write(`${JSON.stringify({ type, object })}\n`);
  }

  async #serve(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { pathname: path, searchParams } = new URL(request.url ?? '', 'http://api');
    const body = await text(request);
    this.requests.push(`${request.method} ${path}`);
    if (this.behaviour === 'is gone') return void answer.writeHead(500).end(this.lastWords);
    if (searchParams.has('watch') && !this.forbidden?.test(`WATCH ${path}`)) {
      answer.writeHead(200, { 'audit-id': '1' }).flushHeaders();
      return void this.#watching.add({ path, answer });
    }
    const isApply = request.headers['content-type'] === 'application/apply-patch+yaml';
    const method = isApply ? 'APPLY' : searchParams.has('watch') ? 'WATCH' : (request.method ?? '');
    const asked = { method, path, selector: searchParams.get('labelSelector') ?? '' };
    const [status, result] = searchParams.has('dryRun') ? [200, JSON.parse(body)] : this.#act(asked, body);
    if (this.behaviour === 'takes writes and never answers them' && request.method !== 'GET')
      return void request.socket.destroy();
    const date = this.date === undefined ? {} : { date: this.date };
    answer.writeHead(status, { 'audit-id': '1', 'content-type': 'application/json', ...date });
    answer.end(JSON.stringify(result));
  }

  #selected(path: string, selector: string): [string, AnObject][] {
    return [...this.objects].filter(
      ([key, { metadata }]) => key.startsWith(`${path}/`) && isSelected(metadata.labels ?? {}, selector),
    );
  }

  #act({ method, path, selector }: Asked, body: string): [number, unknown] {
    const found = this.objects.get(path);
    const refuse = (code: number, reason: string): [number, unknown] => [
      code,
      { kind: 'Status', apiVersion: 'v1', reason, message: `${method} ${path}: ${reason}` },
    ];
    if (this.forbidden?.test(`${method} ${path}`)) return refuse(403, 'Forbidden');
    if (this.broken?.asked.test(`${method} ${path}`)) return refuse(500, this.broken.words);
    if (method === 'GET') {
      if (found !== undefined) return [this.statuses.get(path) ?? 200, found];
      const items = this.#selected(path, selector).map(([, one]) => one);
      if (!/s$/.test(path)) return refuse(404, 'NotFound');
      return [200, { metadata: { resourceVersion: String(this.#version) }, items }];
    }
    if (method === 'DELETE') {
      this.remove(path);
      for (const [key] of selector === '' ? [] : this.#selected(path, selector)) this.remove(key);
      return [200, {}];
    }
    const given = anObject.partial().parse(JSON.parse(body));
    if (method === 'POST') {
      const object = anObject.parse(given);
      const place = `${path}/${object.metadata.name}`;
      return this.objects.has(place) ? refuse(409, 'AlreadyExists') : [201, this.put(place, object)];
    }
    if (found === undefined && method === 'APPLY') return [201, this.put(path, anObject.parse(given))];
    if (found === undefined) return refuse(404, 'NotFound');
    const version = given.metadata?.resourceVersion;
    if (version !== undefined && version !== found.metadata.resourceVersion) return refuse(409, 'Conflict');
    const next =
      method === 'PUT' || method === 'APPLY'
        ? anObject.parse(given)
        : { ...found, data: { ...found.data, ...given.data } };
    return [200, this.put(path, next)];
  }
}

/** Whether labels match `a=b`, `a`, `a in (b, c)` and `a notin (b, c)`, all that stand in a selector. */
function isSelected(labels: Readonly<Record<string, string>>, selector: string): boolean {
  return (selector.match(/[^,(]+(\([^)]*\))?/g) ?? []).every((text) => {
    const [, key = '', how, values = ''] = /^([^ =]+)(?:(=| in | notin )(.*))?$/.exec(text.trim()) ?? [];
    const has = labels[key];
    if (how === undefined) return has !== undefined;
    const isOne = has !== undefined && values.replace(/[()]/g, '').split(/, ?/).includes(has);
    return how === ' notin ' ? !isOne : isOne;
  });
}
