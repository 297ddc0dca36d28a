/** Answers to a large upload that an HTTP server of Node would not give. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { openOn } from '../../support/registries.ts';

/** As large as what is sent in a thread. */
const SIZE = 9_000_000;
const NOTHING = 'content-length: 0\r\nconnection: close\r\n\r\n';
const ANSWERS: Readonly<Record<string, string>> = {
  HEAD: `HTTP/1.1 404 Not Found\r\n${NOTHING}`,
  GET: `HTTP/1.1 404 Not Found\r\n${NOTHING}`,
  POST: `HTTP/1.1 202 Accepted\r\nlocation: /v2/acme/digits/blobs/uploads/1\r\n${NOTHING}`,
};

let folder: string;
let server: Server;
let sockets: Socket[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'raw-'));
  sockets = [];
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  server.close();
  await rm(folder, { recursive: true, force: true });
});

/** Sends a file to a registry that answers an upload with these bytes: at its beginning, and when all of it is there. */
async function send(first: string, last: string): Promise<unknown> {
  server = createServer((socket) => {
    sockets.push(socket);
    let head = '';
    let left = -1;
    socket.on('error', () => {});
    socket.on('data', (bytes) => {
      left -= bytes.length;
      if (head !== '') return left <= 0 && socket.writable ? socket.end(last) : undefined;
      head = bytes.toString('latin1');
      const answer = ANSWERS[head.split(' ')[0] ?? ''];
      if (answer !== undefined) return socket.end(answer);
      left = SIZE + head.indexOf('\r\n\r\n') + 4 - bytes.length;
      return socket.write(first);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const host = `127.0.0.1:${address !== null && typeof address === 'object' ? address.port : 0}`;
  const file = join(folder, 'file');
  await writeFile(file, randomBytes(SIZE));
  return openOn({ host }, folder).store.write({ file, how: 'copy' });
}

test('what an upload is told before its answer is not its answer (RFC 9110, 15.2)', async () => {
  const interim = 'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n';
  await expect(send(interim, 'HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n')).resolves.toMatchObject({
    size: SIZE,
  });
}, 20_000);

test('an answer that never comes to its end is not kept, and ends the upload', async () => {
  await expect(send(`HTTP/1.1 201 Created\r\n${'x: y\r\n'.repeat(100_000)}`, '')).rejects.toThrow(
    /the upload of \w+ does not succeed/,
  );
}, 20_000);
