/** Puts replies on the wire, whole, or as a fault has them. */
import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Failure } from './registry-faults.ts';
import { Cut, lengthOf, type Reply } from './registry-reply.ts';
import type { SeenRequest } from './registry-routes.ts';
import { changeByte } from './results-faults.ts';

/**
 * Sends a reply; to HEAD its headers alone.
 *
 * @param record gets the status, and the bytes as they go
 * @throws Cut where the fault ends the connection without any of it
 */
export async function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, headers, body }: Reply,
  record: SeenRequest | undefined,
  fault: Failure | undefined,
): Promise<void> {
  if (fault === 'lose-answer') throw new Cut();
  const more = fault === 'longer' ? 1 : fault === 'shorter' ? -1 : 0;
  const length = lengthOf(body) === 0 ? 0 : lengthOf(body) + more;
  const digest = fault === 'wrong-digest' && { 'docker-content-digest': `sha256:${'0'.repeat(64)}` };
  if (record) record.status = status;
  response.writeHead(status, { ...(status !== 204 && { 'content-length': length }), ...headers, ...digest });
  if (request.method === 'HEAD' || body === undefined || length === 0) {
    response.end();
    return;
  }
  const bytes = read(body, length, record);
  if (typeof fault === 'object' && 'stallResponse' in fault) {
    // It is the client who gives up.
    await sendFirst(bytes, response, fault.stallResponse);
  } else if (typeof fault === 'object' && 'cutResponse' in fault) {
    await sendFirst(bytes, response, fault.cutResponse);
    // Closed and not reset, so that what was sent arrives.
    request.socket.destroySoon();
  } else {
    await pipeline(bytes, changeByte(fault === 'damage' ? Math.floor(length / 2) : undefined), response);
  }
}

/** The bytes of a body, as many as asked: where it has fewer, blanks follow. */
async function* read(
  body: NonNullable<Reply['body']>,
  length: number,
  record: SeenRequest | undefined,
): AsyncGenerator<Buffer> {
  let left = length;
  const chunks: AsyncIterable<Buffer> | Buffer[] = Buffer.isBuffer(body)
    ? [body]
    : createReadStream(body.path, { start: body.start, end: body.end - 1, highWaterMark: 1 << 18 });
  for await (const chunk of chunks) {
    const part = chunk.subarray(0, left);
    left -= part.length;
    if (record) record.bytesOut += part.length;
    yield part;
  }
  if (left > 0) yield Buffer.alloc(left, ' ');
}

/** Sends so many bytes, and returns once they are gone. */
async function sendFirst(
  source: AsyncIterable<Buffer>,
  response: ServerResponse,
  bytes: number,
): Promise<void> {
  response.flushHeaders();
  let left = bytes;
  for await (const chunk of source) {
    const part = chunk.subarray(0, left);
    await new Promise((resolve) => response.write(part, resolve));
    left -= part.length;
    if (left === 0) return;
  }
}
