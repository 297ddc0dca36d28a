import { Readable } from 'node:stream';
import { TransientError } from '../../lib/retry.ts';
import { sendWork } from '../../lib/send-work.ts';
import { CORES, Threads } from '../../lib/threads.ts';
import type { WebRequest } from '../../lib/web.ts';
import { refuseTransient, type WebAnswer } from '../../lib/web-answer.ts';
import type { RegistryClient } from './client.ts';
import type { Watch } from './upload.ts';

/** Less is sent before a thread has begun. */
const WORTH_A_THREAD = 8 * 2 ** 20;
const SILENCE_MS = 60_000;
/** A registry may take minutes to check a large upload before it answers. */
const PATIENCE_MS = 600_000;

/** Shared by all of the process; see `fetchBlob`. */
const threads = new Threads(sendWork, Math.max(CORES, 4));

/**
 * Sends a large file as the body of a PUT in a thread. Undefined, with nothing decided, where only a real client can: for small
 * files, through a proxy, for certificates that only the process trusts, and for answers that want another request.
 * @throws TransientError when it may succeed later
 */
export async function sendFile(
  client: RegistryClient,
  request: WebRequest,
  { file, size }: { readonly file: string; readonly size: number },
  { progress, signal }: Watch,
): Promise<WebAnswer | undefined> {
  const { url, headers = {} } = request;
  const isPlain = Object.values(headers).every((value) => !/[\r\n]/.test(value));
  if (size < WORTH_A_THREAD || client.web.proxyOf(url) !== undefined || !isPlain) return undefined;
  client.web.refusePlain(url);
  const task = { method: 'PUT', url: url.href, headers, file, size } as const;
  const times = { silence: SILENCE_MS, patience: PATIENCE_MS };
  const sent = await threads.run({ ...task, ...times }, progress.moved, signal);
  if (sent.kind === 'broken') throw new TransientError(`the connection broke: ${sent.why}`);
  if (sent.kind !== 'answered') return undefined;
  if (sent.status === 401 || (sent.status >= 300 && sent.status < 400)) return undefined;
  const body = Readable.from(Buffer.from(sent.body), { objectMode: false });
  return refuseTransient('PUT', { status: sent.status, headers: sent.headers, url, body });
}
