import { defineAction } from '../github/action.ts';
import { registryInputs, requiredText } from '../github/inputs.ts';
import type { Digest } from '../lib/digest.ts';
import { isDigest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import type { Store } from '../store/store.ts';
import { traceSummary, traceText } from '../summary/trace.ts';
import { releaseAt } from '../trace/endpoint.ts';
import { sourcesOfCommit, traceRecords } from '../trace/lineage.ts';

/** From an endpoint, a digest or a commit: where it came from, and what it became. */
export const action = defineAction({
  inputs: { of: requiredText, store: requiredText, ...registryInputs },
  async run({ of, ...inputs }, job) {
    const store = await job.openStore(inputs.store, 'store');
    const lineage = await traceRecords(store, await startOf(store, of));
    job.log.info(traceText(lineage));
    return { outputs: { lineage: JSON.stringify(lineage) }, summary: traceSummary(lineage, of) };
  },
});

async function startOf(store: Store, of: string): Promise<Digest[]> {
  if (isDigest(of)) return [of];
  if (/^https?:\/\//.test(of)) return [await releaseAt(of)];
  if (/^[0-9a-f]{7,64}$/.test(of)) return sourcesOfCommit(store, of);
  throw new UserError(
    `input of is ${JSON.stringify(of)}; it may be a digest (sha256:…), the URL of an endpoint, or a commit (at least 7 of its digits)`,
  );
}
