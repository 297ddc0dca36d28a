/** What is asked about blobs without moving their bytes. */
import { type Digest, hexOf } from '../../lib/digest.ts';
import { UserError } from '../../lib/errors.ts';
import { drop } from '../../lib/web-answer.ts';
import type { RegistryClient } from './client.ts';

/** A HEAD is refused without a reason; the reading or writing that follows has an answer that gives it. */
const NOT_THERE: ReadonlySet<number> = new Set([400, 403, 404, 405]);

/** Whether a repository has a blob, as far as it says. */
export async function isBlobThere(client: RegistryClient, digest: Digest): Promise<boolean> {
  const what = `the look for ${hexOf(digest, 12)}`;
  return client.ask(what, { method: 'HEAD', path: `blobs/${digest}` }, async (answer) => {
    if (!NOT_THERE.has(answer.status)) await client.expect(what, answer, [200]);
    await drop(answer);
    return answer.status === 200;
  });
}

/**
 * Mounts a blob out of another repository of the same registry ("Mounting a blob from another repository"); nothing is moved then.
 * False where the registry does not do that, or not for this caller: the bytes are moved then, and who may not do that is told.
 */
export async function mountBlob(
  client: RegistryClient,
  repository: string,
  digest: Digest,
): Promise<boolean> {
  const what = `the mount of ${hexOf(digest, 12)}`;
  const path = `blobs/uploads/?${new URLSearchParams({ mount: digest, from: repository })}`;
  const mounted = client.ask(what, { method: 'POST', path, from: repository }, async (answer) => {
    await drop(answer);
    if (answer.status !== 202 || answer.headers.location === undefined) return answer.status === 201;
    // It began an upload instead, which nobody will end.
    const url = client.locationOf(what, answer);
    await client.once({ method: 'DELETE', url, pushes: true }).then(drop);
    return false;
  });
  return mounted.catch((error: unknown) => {
    // A registry may give no token for both repositories.
    if (error instanceof UserError) return false;
    throw error;
  });
}
