import { type Blob, type Digest, differs, hexOf } from '../../lib/digest.ts';
import { type Fetched, fetchWork } from '../../lib/fetch-work.ts';
import { TransientError } from '../../lib/retry.ts';
import { CORES, Threads } from '../../lib/threads.ts';
import { MOST_REDIRECTS, REDIRECTS, type WebRequest } from '../../lib/web.ts';
import type { RegistryClient } from './client.ts';
import type { Watch } from './upload.ts';

/** Less is here before a thread has begun. */
const WORTH_A_THREAD = 8 * 2 ** 20;
const SILENCE_MS = 60_000;

/** Shared by all of the process. A thread waits for the network as often as for a core, so there are more of them than cores. */
const threads = new Threads(fetchWork, Math.max(CORES, 4));

/**
 * Receives a large blob into a file in a thread, verified, going on where it breaks off. False, and then there may be a part of a
 * file, where only a real client can: for small blobs, through a proxy, and for answers that are not plain.
 * @throws UserError when other bytes come than the digest says
 */
export async function fetchBlob(
  client: RegistryClient,
  { digest, size }: Blob,
  file: string,
  watch: Watch,
): Promise<boolean> {
  if (size < WORTH_A_THREAD) return false;
  let offset = 0;
  let seen = 0;
  const attempt = async (): Promise<boolean> => {
    const request = await client.prepare({ method: 'GET', path: `blobs/${digest}` });
    const fetched = await follow(client, request, { file, offset }, watch);
    if (fetched?.kind === 'whole') return confirm(client, digest, fetched.hex);
    if (fetched?.kind !== 'broken') return false;
    offset = fetched.size;
    throw new TransientError(`the connection broke after ${offset} bytes: ${fetched.why}`);
  };
  return client.web.retry(`the download of ${hexOf(digest, 12)}`, attempt, () => {
    const hasMore = offset > seen;
    seen = offset;
    return hasMore;
  });
}

/** Undefined where a connection of our own does not do. */
async function follow(
  { web }: RegistryClient,
  request: WebRequest,
  part: { readonly file: string; readonly offset: number },
  { progress, signal }: Watch,
): Promise<Fetched | undefined> {
  let { url, headers = {} } = request;
  for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
    if (web.proxyOf(url) !== undefined || Object.values(headers).some((value) => /[\r\n]/.test(value)))
      return undefined;
    const task = { url: url.href, headers, ...part, silence: SILENCE_MS };
    const fetched = await threads.run(task, progress.moved, signal);
    if (fetched.kind !== 'other' || !REDIRECTS.has(fetched.status) || fetched.location === undefined)
      return fetched;
    ({ url, headers } = web.redirect(url, headers, fetched.location));
  }
  return undefined;
}

function confirm({ name }: RegistryClient, digest: Digest, hex: string): true {
  if (`sha256:${hex}` === digest) return true;
  throw differs(`${name}: ${digest}`, digest, `sha256:${hex}`);
}
