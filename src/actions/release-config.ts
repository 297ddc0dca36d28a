import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { defineAction, type Job } from '../github/action.ts';
import { mapping, optional, optionalDigest, registryInputs, requiredText } from '../github/inputs.ts';
import { stateFolder } from '../github/place.ts';
import type { Digest } from '../lib/digest.ts';
import { UserError } from '../lib/errors.ts';
import { duration } from '../lib/units.ts';
import { environmentName } from '../records/names.ts';
import { askEndpoint } from '../release/answering.ts';
import { failureOf } from '../release/gate-words.ts';
import { packageToPromote } from '../release/promote.ts';
import { makeRelease } from '../release/release.ts';
import { type Commit, openProject } from '../source/commit.ts';
import { readProject } from '../source/read-project.ts';
import type { Store } from '../store/store.ts';
import { releaseSummary } from '../summary/release-config.ts';

/** In seconds. */
const soakInput = optional<number>((text, name) => {
  const { data } = duration.safeParse(text);
  if (data !== undefined) return data;
  throw new UserError(
    `input ${name} is ${JSON.stringify(text)}; give a duration such as 90s, 30m, 24h or 2d`,
  );
});

const fromInput = optional<string>((text, name) => {
  const { data, error } = environmentName.safeParse(text);
  if (data !== undefined) return data;
  throw new UserError(`input ${name} is ${JSON.stringify(text)}: ${error?.issues[0]?.message}`);
});

/** Package + one environment's configuration → Release, in the store. */
export const action = defineAction({
  inputs: {
    project: requiredText,
    package: optionalDigest,
    from: fromInput,
    soak: soakInput,
    environment: requiredText,
    vars: mapping,
    store: requiredText,
    ...registryInputs,
  },
  async run(inputs, job) {
    const { environment, vars } = inputs;
    const { log } = job;
    const store = await job.openStore(inputs.store, 'store');
    const commit = await openProject(job.workspace, inputs.project, log);
    const packaged = await packageOf(inputs, commit, store, job);
    const released = await makeRelease({ commit, package: packaged, environment, vars, store });
    for (const [key, { value, origin }] of released.config)
      log.info(`${key} = ${JSON.stringify(value)} (${origin})`);
    for (const line of released.notes.unused) log.info(line);
    for (const line of released.notes.warnings) log.warning(line);
    const failure = failureOf(released.gates);
    return {
      outputs: {
        release: released.made?.release.digest ?? '',
        package: packaged,
        unchanged: String(released.unchanged),
      },
      summary: releaseSummary(released, store.limits),
      ...(failure !== undefined && { failure }),
    };
  },
});

/** The package that was named, or that of what another environment serves. */
async function packageOf(
  inputs: { package: Digest | undefined; from: string | undefined; soak: number | undefined },
  commit: Commit,
  store: Store,
  { env, log }: Job,
): Promise<Digest> {
  const { package: packaged, from, soak } = inputs;
  if (packaged !== undefined && from === undefined && soak === undefined) return packaged;
  if (packaged !== undefined || from === undefined)
    throw new UserError(
      'give either input package, a digest, or input from, the environment whose package is promoted, with soak if it must have been live there for long',
    );
  const { name } = (await readProject(commit)).value;
  const folder = join(stateFolder(env), name, from);
  const isHere = await stat(folder).then(
    () => true,
    () => false,
  );
  return packageToPromote(
    { name, from, soakSeconds: soak ?? 0 },
    { store, log, now: Date.now, ask: (endpoint) => askEndpoint(endpoint, isHere) },
  );
}
