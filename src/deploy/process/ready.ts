import { setTimeout as sleep } from 'node:timers/promises';
import { codeOf, messageOf } from '../../lib/errors.ts';
import { ask } from '../../lib/http.ts';
import type { Group } from '../../lib/process.ts';
import type { ServerSpec } from './protocol.ts';

/** Waits until a server that was started answers `ready` with 2xx. Gives undefined then; else why it is not ready. */
export async function whyUnready(
  group: Group,
  port: number,
  { ready, readyTimeoutSeconds }: Pick<ServerSpec, 'ready' | 'readyTimeoutSeconds'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  const death = deathOf(group);
  const deadline = Date.now() + readyTimeoutSeconds * 1000;
  let last = 'no answer';
  for (let left = readyTimeoutSeconds; left > 0; left = (deadline - Date.now()) / 1000) {
    const asked = ask(
      { host: '127.0.0.1', port },
      { path: ready, timeoutSeconds: Math.min(left, 5), signal },
    ).then(
      ({ status }) => `status ${status}`,
      (error: unknown) =>
        error instanceof Error && codeOf(error.cause) === 'ECONNREFUSED'
          ? `no connection: nothing listens on 127.0.0.1:${port}, the port that \${port} and PORT name`
          : messageOf(error),
    );
    await Promise.race([death, asked.then((answer) => (last = answer))]);
    if (/^status 2\d\d$/.test(last)) return undefined;
    if (signal.aborted) return 'it was ended before it was ready';
    const died = await Promise.race([death, sleep(50, undefined)]);
    if (died !== undefined) return `${died} before it was ready`;
  }
  return `the server was not ready within ${readyTimeoutSeconds} s: GET ${ready} last gave ${last}`;
}

/** How its first process ended, once it has. */
export async function deathOf(group: Group): Promise<string> {
  const { status, signal } = await group.exited;
  return signal === null ? `the server ended with status ${status}` : `the server was ended by ${signal}`;
}
