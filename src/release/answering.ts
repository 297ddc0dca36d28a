import { z } from 'zod';
import type { Digest } from '../lib/digest.ts';
import { codeOf, isError, messageOf } from '../lib/errors.ts';
import { isLoopback } from '../lib/loopback.ts';
import { digest } from '../records/oci.ts';

const PATIENCE_MS = 15_000;

/** Failures that say nothing of a service: from here there is no way to it. */
const NO_WAY =
  /^(ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ENETDOWN|ETIMEDOUT|EACCES|EPERM|UND_ERR_CONNECT_TIMEOUT)$/;

/** What an endpoint says of itself: its release, why it can't be asked from here, or what is wrong with it. */
export type Answer =
  | { readonly release: Digest }
  | { readonly unreachable: string }
  | { readonly problem: string };

/**
 * Asks a front which release it serves.
 * @param isHere whether it runs on this machine. Only then does a closed port of the loopback say that it is down
 */
export async function askEndpoint(endpoint: string, isHere: boolean): Promise<Answer> {
  const url = new URL('/.trainyard/release', endpoint);
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS), redirect: 'error' });
    if (!response.ok) return { problem: `it answers with status ${response.status}` };
    const said = z.object({ release: digest }).safeParse(await response.json());
    return said.success ? { release: said.data.release } : { problem: 'it names no release' };
  } catch (error) {
    const why = messageOf(error);
    const code = isError(error) ? codeOf(error.cause) : undefined;
    const isElsewhere = code === 'ECONNREFUSED' && isLoopback(url.hostname) && !isHere;
    return isElsewhere || NO_WAY.test(code ?? '')
      ? { unreachable: why }
      : { problem: `it does not answer: ${why}` };
  }
}
