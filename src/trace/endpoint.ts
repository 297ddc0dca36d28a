import { z } from 'zod';
import type { Digest } from '../lib/digest.ts';
import { MachineError } from '../lib/errors.ts';
import { digest } from '../records/oci.ts';

const answer = z.object({ release: digest });

/** Asks an endpoint which release answers there. */
export async function releaseAt(endpoint: string): Promise<Digest> {
  try {
    const url = new URL('/.trainyard/release', endpoint);
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000), redirect: 'error' });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return answer.parse(await response.json()).release;
  } catch (cause) {
    throw new MachineError(
      `${endpoint} does not tell its release; is it an endpoint that deploy reported, and is it up?`,
      { cause },
    );
  }
}
