import { createServer, type IncomingMessage, type Server } from 'node:http';
import { z } from 'zod';
import { messageOf, UserError } from '../../lib/errors.ts';
import type { Front } from './front.ts';
import { note, SOCKET, serverSpec, TOKEN_HEADER, type Verb, verbs } from './protocol.ts';

const verb = z.enum(verbs);

/** Listens on the control socket in the current folder, which only this user can open. */
export async function listenForControl(front: Front): Promise<Server> {
  const server = createServer((request, answer) => {
    const reply = (status: number, body: object): void =>
      void answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    obey(front, request).then(
      () => reply(200, front.status()),
      (error: unknown) => {
        front.log(`${request.url}: ${messageOf(error)}`);
        reply(error instanceof UserError ? 400 : 500, { error: messageOf(error) });
      },
    );
  });
  const before = process.umask(0o177);
  // Relative to the state folder: the path of a socket may have about a hundred bytes only.
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(SOCKET, resolve);
  });
  process.umask(before);
  await listening;
  return server;
}

async function obey(front: Front, request: IncomingMessage): Promise<void> {
  const token = request.headers[TOKEN_HEADER];
  if (request.method === 'GET' && request.url === '/status') {
    // Whoever only wants to know has none.
    if (token !== undefined) front.admit(Number(token));
    return;
  }
  const wanted = verb.safeParse(request.url?.slice(1));
  if (request.method !== 'POST' || !wanted.success)
    throw new UserError(`${request.method} ${request.url} is not known`);
  const body = await bodyOf(request);
  front.admit(Number(token ?? 0));
  await act(front, wanted.data, body);
}

async function act(front: Front, wanted: Verb, body: unknown): Promise<void> {
  switch (wanted) {
    case 'start':
      return front.start(serverSpec.parse(body));
    case 'switch':
      return front.switch();
    case 'commit':
      return front.commit();
    case 'revert':
      return front.revert();
    case 'abandon':
      return front.abandon();
    case 'deployment':
      return front.note(note.parse(body).deployment);
  }
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  return text === '' ? {} : JSON.parse(text);
}
