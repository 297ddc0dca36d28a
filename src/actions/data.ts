import { join, resolve } from 'node:path';
import { pushData } from '../data/push.ts';
import { defineAction } from '../github/action.ts';
import { type Reader, registryInputs, requiredText } from '../github/inputs.ts';
import { cacheFolder } from '../github/place.ts';
import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { projectName } from '../records/names.ts';
import { dataSummary } from '../summary/data.ts';

const dataName: Reader<string> = (value, name) => {
  const parsed = projectName.safeParse(requiredText(value, name));
  if (parsed.success) return parsed.data;
  throw new UserError(`input ${name} is ${JSON.stringify(value)}; ${parsed.error.issues[0]?.message}`);
};

/** Whatever the store: in artifacts a data set would end with the workflow run, and nobody could name it. */
const lastingStore: Reader<string> = (value, name) => {
  if (requiredText(value, name) !== 'artifact:') return value;
  throw new UserError(
    `input ${name} is artifact:, which ends with this workflow run; give oci://HOST/REPOSITORY, or a folder that the training machine sees`,
  );
};

/** Files → a data set in the store. */
export const action = defineAction({
  inputs: { path: requiredText, name: dataName, store: lastingStore, ...registryInputs },
  async run({ path, name, store: place }, job) {
    const { log, signal, env, workspace } = job;
    const store = await job.openStore(place, 'store');
    const notes = join(cacheFolder(env), 'pushed-data');
    const pushed = await log.group(`Push the data set ${name}`, () =>
      pushData({ path: resolve(workspace, path), name }, { store, notes, log, signal }),
    );
    const { digest } = pushed.record;
    const reference = referenceTo(place, digest, workspace);
    return { outputs: { data: digest, reference }, summary: dataSummary(pushed, reference) };
  },
});

/** What trainyard.yml names it by: without the scheme of a registry, and a folder by its whole path. */
function referenceTo(place: string, digest: Digest, workspace: string): string {
  const store = place.startsWith('oci://') ? place.slice('oci://'.length) : resolve(workspace, place);
  return `${store}@${digest}`;
}
