import { type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import type { z } from 'zod';
import { messageOf, UserError } from '../../lib/errors.ts';
import { tryJson } from '../../lib/json.ts';
import { LineCutter } from '../../lib/lines.ts';
import { type Api, type Query, withQuery } from './api.ts';
import { refusal } from './failure.ts';
import { change, listOf } from './types/list.ts';

interface Named {
  readonly metadata: { readonly name: string };
}

/** After so long the API server ends a watch by itself; a connection that died unnoticed is left then, too. */
const WATCH_SECONDS = 60;

/**
 * All objects of a path that match, each time that one of them changes: listed once, then watched, and listed anew when the
 * watch ends, be it that the API server is gone for a while.
 * @throws UserError for who may not, MachineError when it is gone for too long, the reason of `signal` when aborted
 */
export async function* follow<T extends Named>(
  api: Api,
  path: string,
  schema: z.ZodType<T>,
  query: Query,
  signal: AbortSignal,
): AsyncGenerator<readonly T[]> {
  let lost = { begin: performance.now(), attempt: 0 };
  for (;;) {
    const answer = await api.send({ path: withQuery(path, query), signal });
    if (answer.status >= 300) throw refusal(`list ${path}`, answer);
    const list = listOf(schema).parse(tryJson(answer.body));
    const found = new Map((list.items ?? []).map((one) => [one.metadata.name, one]));
    yield [...found.values()];
    const options = { watch: 'true', resourceVersion: list.metadata.resourceVersion };
    const timeout = { timeoutSeconds: String(WATCH_SECONDS) };
    try {
      for await (const line of linesOf(api, withQuery(path, { ...query, ...options, ...timeout }), signal)) {
        const { type, object } = change.parse(tryJson(line));
        // Its version is too old to watch from, say.
        if (type === 'ERROR') break;
        if (type === 'BOOKMARK') continue;
        const one = schema.parse(object);
        if (type === 'DELETED') found.delete(one.metadata.name);
        else found.set(one.metadata.name, one);
        yield [...found.values()];
      }
      lost = { begin: performance.now(), attempt: 0 };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof Gone)) throw error;
      if (error.wasOpen) lost = { begin: performance.now(), attempt: 0 };
      await api.afterOutage(lost.begin, lost.attempt++, error.message, signal);
    }
  }
}

/** The connection of a watch ended before its time. */
class Gone extends Error {
  override name = 'Gone';
  /** Whether it was answered before: the API server is gone since then alone. */
  readonly wasOpen: boolean;

  constructor(message: string, wasOpen: boolean) {
    super(message);
    this.wasOpen = wasOpen;
  }
}

/**
 * The lines of an answer as they come.
 * @throws Gone when the connection breaks, or the answer is none of the API server's; UserError for who may not watch
 */
async function* linesOf(api: Api, path: string, signal: AbortSignal): AsyncGenerator<string> {
  api.count();
  const sent = request({ socketPath: await api.socket(), path, agent: false, signal });
  // An API server that went without a word.
  sent.setTimeout((WATCH_SECONDS + 15) * 1000, () => sent.destroy(new Error('nothing came any more')));
  let isOpen = false;
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.on('error', reject);
      sent.on('response', resolve);
      sent.end();
    });
    const { statusCode: status = 0, headers } = answer;
    if ([401, 403].includes(status))
      throw refusal(`watch ${path.replace(/\?.*/, '')}`, { status, headers, body: await text(answer) });
    if (status !== 200) throw new Error(`status ${status}`);
    isOpen = true;
    const lines = new LineCutter(16 * 2 ** 20);
    for await (const chunk of answer) yield* lines.cut(chunk);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new Gone(messageOf(error), isOpen);
  } finally {
    sent.destroy();
  }
}
