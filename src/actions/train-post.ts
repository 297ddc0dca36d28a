import { defineAction } from '../github/action.ts';
import { tryJson } from '../lib/json.ts';
import { leftover, tidy } from '../train/tidy.ts';

/** After the train step, however that ended: what it had no time for. It never fails a job. */
export const action = defineAction({
  inputs: {},
  async run(_, job) {
    const left = leftover.safeParse(tryJson(job.remembered));
    const openStore = (value: string, what: string) => job.openStore(value, what);
    if (left.success) await tidy(left.data, job.log, openStore, job.env);
    return { outputs: {}, summary: '' };
  },
});
