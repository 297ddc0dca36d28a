import type { Readable } from 'node:stream';
import { MachineError } from './errors.ts';
import { TransientError } from './retry.ts';
import { skipBytes } from './streams.ts';

const TRANSIENT = new Set([408, 425, 429, 500, 502, 503, 504]);
const SMALL = 1 << 16;

export interface WebAnswer {
  readonly status: number;
  readonly headers: { readonly [name: string]: string | undefined };
  /** Where the answer came from in the end. */
  readonly url: URL;
  readonly body: Readable;
}

/** The URL without its query, which may hold a signature. */
export function placeOf({ origin, pathname }: URL): string {
  return `${origin}${pathname}`;
}

/** The whole of a small answer. @throws MachineError beyond `limit` bytes */
export async function bytesOf({ body, url }: WebAnswer, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > limit) throw new MachineError(`${placeOf(url)}: the answer is larger than ${limit} bytes`);
  }
  return Buffer.concat(chunks);
}

/** Reads an answer to its end and forgets it, so that its connection can be used again. */
export async function drop({ body }: WebAnswer): Promise<void> {
  for await (const _ of body);
}

/** The header that asks for what lies at an offset and behind it. */
export function rangeFrom(offset: number): Record<string, string> {
  return offset === 0 ? {} : { range: `bytes=${offset}-` };
}

/** What lies at an offset, out of an answer to a request for it; `check` throws for one that holds no bytes. */
export async function startAt(answer: WebAnswer, check: (answer: WebAnswer) => Promise<void>, at: number) {
  const isBehindEnd = answer.status === 416 && at > 0;
  if (!isBehindEnd) await check(answer);
  const isPart = answer.status === 206 && answer.headers['content-range']?.startsWith(`bytes ${at}-`);
  // A server that knows no ranges sends the whole again.
  const rest: AsyncIterator<Buffer> = isBehindEnd ? none() : skipBytes(answer.body, isPart ? 0 : at);
  return { first: await rest.next(), rest };
}

async function* none(): AsyncGenerator<Buffer> {}

/** @throws TransientError for an answer after which the same request may succeed later */
export async function refuseTransient(method: string, answer: WebAnswer): Promise<WebAnswer> {
  if (!TRANSIENT.has(answer.status)) return answer;
  const text = (await bytesOf(answer, SMALL).catch(() => Buffer.alloc(0))).toString().slice(0, 200);
  const said = text === '' ? '' : `: ${text}`;
  throw new TransientError(`${method} ${placeOf(answer.url)} was answered with ${answer.status}${said}`, {
    waitSeconds: secondsUntil(answer.headers['retry-after']),
  });
}

/** Retry-After: seconds, or a date (RFC 9110, 10.2.3). */
function secondsUntil(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Number(text);
  const until = Date.parse(text);
  return Number.isNaN(until) ? undefined : Math.max(0, (until - Date.now()) / 1000);
}
