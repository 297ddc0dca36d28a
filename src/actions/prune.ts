import { defineAction } from '../github/action.ts';
import { flag, type Reader, registryInputs, requiredText } from '../github/inputs.ts';
import { UserError } from '../lib/errors.ts';
import { duration } from '../lib/units.ts';
import { prune } from '../prune/prune.ts';
import { pruneSummary, pruneText } from '../summary/prune.ts';

const seconds: Reader<number> = (value, name) => {
  const parsed = duration.safeParse(value === '' ? '30d' : value);
  if (parsed.success) return parsed.data;
  throw new UserError(`input ${name} is ${JSON.stringify(value)}; give a duration such as 30d, 12h or 1d12h`);
};

const count: Reader<number> = (value, name) => {
  if (/^\d{0,9}$/.test(value)) return value === '' ? 10 : Number(value);
  throw new UserError(`input ${name} is ${JSON.stringify(value)}; give a whole number such as 10`);
};

/** Nothing is removed unless somebody says so. */
const trueUnlessSet: Reader<boolean> = (value, name) => value === '' || flag(value, name);

/** Removes the records of a store that nothing speaks for. */
export const action = defineAction({
  inputs: {
    store: requiredText,
    'keep-live-within': seconds,
    'keep-last': count,
    'dry-run': trueUnlessSet,
    ...registryInputs,
  },
  async run(inputs, { log, openStore }) {
    const store = await openStore(inputs.store, 'store');
    const dryRun = inputs['dry-run'];
    const pruned = await prune(store, {
      keepLiveWithin: inputs['keep-live-within'],
      keepLast: inputs['keep-last'],
      dryRun,
    });
    log.info(pruneText(pruned));
    const bytes = dryRun ? pruned.bytes : (pruned.freed ?? pruned.bytes);
    return {
      outputs: { removed: String(pruned.goes.length), bytes: String(bytes) },
      summary: pruneSummary(pruned, dryRun),
    };
  },
});
