import type { IncomingMessage, Server } from 'node:http';
import type { Socket } from 'node:net';

/** What asks for another protocol, and is about this connection alone. */
const OFFER = ['upgrade', 'connection', 'http2-settings'];

/** Whether a request asks for the one protocol that is passed on. */
export function isWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

/**
 * Answers a request that offers another protocol as if it did not: a server may pass an offer by, and clients make that of HTTP/2
 * with any request. Node takes each for an upgrade, so the connection begins anew, without the offer.
 * @param head what came after the head of the request
 */
export function serveWithoutOffer(
  server: Server,
  { method, url, httpVersion, rawHeaders }: IncomingMessage,
  socket: Socket,
  head: Buffer,
): void {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!OFFER.includes(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[i + 1]}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}
