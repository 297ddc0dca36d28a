/** What the registry answers: a refusal with a code of the specification, or a reply whose body may be part of a file. */

type Headers = Readonly<Record<string, string | number>>;

/** A refusal: the HTTP status, the error code of the OCI distribution specification, and a sentence. */
export class RegistryError extends Error {
  override name = 'RegistryError';
  readonly status: number;
  readonly code: string;
  readonly headers: Headers;
  constructor(status: number, code: string, message: string, headers: Headers = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** The connection ends without an answer. */
export class Cut extends Error {}

/** Bytes of a file from `start` on; `end` is the first that is not among them. */
export interface FilePart {
  readonly path: string;
  readonly start: number;
  readonly end: number;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body?: Buffer | FilePart;
}

export function reply(status: number, headers: Headers = {}, body?: Buffer | FilePart): Reply {
  return { status, headers, ...(body && { body }) };
}

export function replyJson(value: object, headers: Headers = {}): Reply {
  return reply(200, { 'content-type': 'application/json', ...headers }, Buffer.from(JSON.stringify(value)));
}

export function refusal({ status, code, message, headers }: RegistryError): Reply {
  return { ...replyJson({ errors: [{ code, message, detail: null }] }, headers), status };
}

export function lengthOf(body: Reply['body']): number {
  if (body === undefined) return 0;
  return Buffer.isBuffer(body) ? body.length : body.end - body.start;
}

/**
 * The part of a file that a `Range` header asks for, as a reply: 206, 416, or the whole with 200.
 *
 * @param range the header's value; undefined asks for all
 */
export function replyFile(path: string, size: number, range: string | undefined, headers: Headers): Reply {
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(range ?? '') ?? [];
  if (from === '' && to === '') return reply(200, headers, { path, start: 0, end: size });
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size : Math.min(size, Number(to) + 1);
  if (start >= end) {
    throw new RegistryError(416, 'SIZE_INVALID', `the blob has ${size} bytes`, {
      'content-range': `bytes */${size}`,
    });
  }
  return reply(
    206,
    { ...headers, 'content-range': `bytes ${start}-${end - 1}/${size}` },
    { path, start, end },
  );
}
