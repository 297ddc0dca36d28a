import { defineAction } from '../github/action.ts';
import { flag, optionalDigest, registryInputs, requiredText } from '../github/inputs.ts';
import { brokenLink, verifySummary, verifyText } from '../summary/verify.ts';
import { verify } from '../verify/verify.ts';

/** Reads records and all that they stand on to the last byte; fails on a broken link. */
export const action = defineAction({
  inputs: { of: optionalDigest, store: requiredText, repair: flag, ...registryInputs },
  async run({ of, repair, ...inputs }, { log, signal, openStore }) {
    const store = await openStore(inputs.store, 'store');
    const verified = await verify({ of, repair, store, log, signal });
    for (const line of verified.mended) log.warning(line);
    log.info(verifyText(verified));
    const failure = brokenLink(verified);
    const broken = verified.verdicts.filter(({ problems }) => problems.length > 0);
    return {
      outputs: { records: String(verified.verdicts.length), broken: String(broken.length) },
      summary: verifySummary(verified),
      ...(failure !== undefined && { failure }),
    };
  },
});
