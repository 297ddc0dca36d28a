/**
 * A results service of ours: what @actions/artifact 6.2.1 speaks to in a job, for tests and local runs. It stands in
 * for GitHub's where that is exact: names, blocks, sizes, hashes, scopes, signed URLs, expiry. It answers whole blobs
 * only (the client asks for no ranges), and does not check the signature of a token: keep it on a loopback address.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json, text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { ArtifactService, isArtifactMethod } from './results-artifacts.ts';
import { BlockBlobs, blobNotFound, readBlockList, ServiceError } from './results-blobs.ts';
import {
  BLOBS,
  type BlobOperation,
  Cut,
  changeByte,
  cutAt,
  type Fault,
  Faults,
  type Operation,
  operationOf,
  type RandomFaults,
} from './results-faults.ts';
import { type JobIds, makeToken, readToken } from './results-token.ts';

const HOUR = 3_600_000;

export interface ResultsServiceOptions {
  /** Where the blobs lie; default a temporary folder that goes with the service. */
  readonly dir?: string | undefined;
  /** Port on 127.0.0.1; default any free one. */
  readonly port?: number | undefined;
  /** The longest an artifact lives, and what it gets when it asks for nothing. Default 90. */
  readonly retentionDays?: number;
  /** The clock, in milliseconds since the epoch. */
  readonly now?: () => number;
}

export interface ResultsService {
  readonly url: string;
  /** Every request so far, in the order of arrival. */
  readonly requests: readonly Operation[];
  /** The environment that a job's step gets; run and job default to `1`. The token is good for an hour. */
  env(
    ids?: Partial<JobIds>,
  ): Record<'ACTIONS_RUNTIME_TOKEN' | 'ACTIONS_RESULTS_URL' | 'ACTIONS_RUNTIME_URL', string>;
  inject(fault: Fault): void;
  /** From now on requests of every kind fail at random, or, without an argument, no more. */
  failAtRandom(faults?: RandomFaults): void;
  close(): Promise<void>;
}

/** Starts the service; the promise resolves once it listens. */
export async function startResultsService(options: ResultsServiceOptions = {}): Promise<ResultsService> {
  const { port = 0, retentionDays = 90, now = Date.now } = options;
  const dir = options.dir ?? (await mkdtemp(join(tmpdir(), 'results-')));
  const requests: Operation[] = [];
  const faults = new Faults();
  const blobs = new BlockBlobs(dir);
  const urls = new SignedUrls(now);
  const service = new ArtifactService({
    blobs,
    now,
    retentionDays,
    sign: (id, permission) => `${url()}${BLOBS}${id}?${urls.sign(String(id), permission)}`,
  });

  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => refuse(request, response, error));
  });
  const url = (): string => {
    const address = server.address();
    return `http://127.0.0.1:${address !== null && typeof address === 'object' ? address.port : port}`;
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const at = new URL(request.url ?? '/', url());
    const operation = operationOf(request.method ?? '', at);
    requests.push(operation);
    const fault = faults.meet(operation);
    if (fault === 'reset') throw new Cut();
    if (typeof fault === 'number') throw new ServiceError(fault, 'injected', 'a fault of the test');
    if (isArtifactMethod(operation)) {
      const caller = readToken(request.headers.authorization, now());
      const result = await service.call(operation, await json(request).catch(() => undefined), caller);
      if (fault === 'lose-answer') throw new Cut();
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result));
      return;
    }
    const id = at.pathname.slice(BLOBS.length);
    urls.check(id, operation === 'GetBlob' ? 'r' : 'w', at.searchParams);
    const name = service.nameOf(Number(id));
    if (name === undefined) throw blobNotFound();
    if (operation === 'GetBlob') return send(id, name, response, fault);
    await receive(operation, id, at.searchParams.get('blockid') ?? '', request);
    if (fault === 'lose-answer') throw new Cut();
    response.writeHead(201).end();
  }

  async function receive(
    operation: BlobOperation,
    id: string,
    block: string,
    request: IncomingMessage,
  ): Promise<void> {
    const contentType = String(request.headers['x-ms-blob-content-type'] ?? 'application/octet-stream');
    if (operation === 'PutBlock') return blobs.putBlock(id, block, request);
    if (operation === 'PutBlob') return blobs.putBlob(id, request, contentType);
    return blobs.putBlockList(id, readBlockList(await text(request)), contentType);
  }

  async function send(
    id: string,
    name: string,
    response: ServerResponse,
    fault?: Fault['what'],
  ): Promise<void> {
    const facts = await blobs.facts(id);
    if (!facts) throw blobNotFound();
    const file = facts.contentType === 'application/zip' ? `${name}.zip` : name;
    response.writeHead(200, {
      'content-type': facts.contentType,
      'content-length': facts.size,
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file)}`,
      etag: `"${facts.sha256}"`,
    });
    const middle = Math.floor(facts.size / 2);
    const spoiled = fault === 'cut' ? cutAt(middle) : changeByte(fault === 'corrupt' ? middle : undefined);
    await pipeline(blobs.read(id), spoiled, response);
  }

  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: url(),
    requests,
    env({ run = '1', job = '1' } = {}) {
      const token = makeToken({ run, job }, now() + HOUR);
      return {
        ACTIONS_RUNTIME_TOKEN: token,
        ACTIONS_RESULTS_URL: `${url()}/`,
        ACTIONS_RUNTIME_URL: `${url()}/`,
      };
    },
    inject: (fault) => faults.add(fault),
    failAtRandom: (random) => faults.failAtRandom(random),
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      if (options.dir === undefined) await rm(dir, { recursive: true, force: true });
    },
  };
}

/** URLs that permit one thing (read or write) with one blob, for an hour. */
class SignedUrls {
  readonly #now: () => number;
  readonly #key = randomBytes(32);

  constructor(now: () => number) {
    this.#now = now;
  }

  sign(id: string, permission: 'r' | 'w'): URLSearchParams {
    const end = String(this.#now() + HOUR);
    return new URLSearchParams({
      se: end,
      sp: permission,
      sig: this.#mac(id, permission, end).toString('hex'),
    });
  }

  check(id: string, permission: 'r' | 'w', given: URLSearchParams): void {
    const end = given.get('se') ?? '';
    const right = this.#mac(id, permission, end);
    const sig = Buffer.from(given.get('sig') ?? '', 'hex');
    if (sig.length !== right.length || !timingSafeEqual(sig, right) || Number(end) <= this.#now()) {
      throw new ServiceError(
        403,
        'AuthenticationFailed',
        'The signature is wrong, for something else, or expired.',
      );
    }
  }

  #mac(...parts: string[]): Buffer {
    return createHmac('sha256', this.#key).update(parts.join('\n')).digest();
  }
}

/** Twirp's errors are JSON, Azure's XML with the code in a header too. */
function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (error instanceof Cut || response.headersSent || request.errored) {
    request.socket.resetAndDestroy();
    return;
  }
  const { status, code, message } =
    error instanceof ServiceError ? error : new ServiceError(500, 'internal', String(error));
  const blob = request.url?.startsWith(BLOBS) ?? false;
  response.writeHead(status, {
    'content-type': blob ? 'application/xml' : 'application/json',
    ...(blob && { 'x-ms-error-code': code }),
  });
  response.end(
    blob
      ? `<?xml version="1.0" encoding="utf-8"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`
      : JSON.stringify({ code, msg: message }),
  );
}
