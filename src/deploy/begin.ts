import type { Digest } from '../lib/digest.ts';
import { messageOf, UserError } from '../lib/errors.ts';
import { hideSecrets } from '../lib/hide.ts';
import { release } from '../records/release.ts';
import { getRecord } from '../store/records.ts';
import { finish } from './finish.ts';
import { keptByTarget, knownOfEarlier } from './hidden.ts';
import { readParts, readProbes } from './parts.ts';
import { endpointAfter, isLive, type Plan } from './plan.ts';
import { recording } from './record.ts';
import { type DeployDeps, type Deployed, readSecrets } from './request.ts';
import { rollOut } from './rollout.ts';

/**
 * Brings a release to its site, rolls it out there under the journal, and records what came of it.
 * @throws UserError for what is wrong before anything has changed
 */
export async function begin(plan: Plan, deps: DeployDeps): Promise<Deployed> {
  const { site, hold, memory, release: wanted, startedAt, approved, marks } = plan;
  const secrets = readSecrets(wanted, deps);
  await site.bring(wanted);
  const last = memory.live?.release;
  const hidden = [
    ...Object.values(secrets),
    ...(await keptByTarget(site, wanted, deps)),
    ...(await knownOfEarlier(site, last, deps)),
  ];
  const probesOf = readOnce((digest) => readProbes(site.records, digest));
  // A bad golden request is told before anything is started.
  await probesOf(wanted.digest);
  const parts = await readParts(site.records, wanted.digest);
  const { log, text } = recording(deps.log);
  if (approved !== undefined) log.info(`approved by ${approved}`);
  const target = await site.target(wanted, secrets, hold);
  const rollout = await rollOut({
    target,
    release: wanted.digest,
    probing: wanted.config.probing,
    last: last && {
      release: last,
      target: async () => {
        const before = await getRecord([site.records, deps.store], release, last);
        const itsSecrets = readSecrets(before, deps);
        await site.bring(before);
        hidden.push(...Object.values(itsSecrets), ...(await keptByTarget(site, before, deps)));
        return site.target(before, itsSecrets, hold);
      },
    },
    probesOf,
    mark: (step, before, checks) =>
      hold.write({
        ...memory,
        journal: {
          token: hold.token,
          release: wanted.digest,
          step,
          before,
          startedAt,
          checks: [...checks],
          ...marks,
        },
      }),
    log,
    hide: (said) => hideSecrets(hidden)(said),
    signal: deps.signal,
  }).catch(async (error: unknown) => {
    // Nothing has changed; any other error leaves the journal for the next deploy.
    if (error instanceof UserError) await hold.write(memory);
    throw error;
  });
  const endpoint = endpointAfter(rollout, target.endpoint, plan.history);
  const done = await finish(plan, parts, rollout, { endpoint, text: text() }, deps);
  const { digest } = done.deployment;
  if (isLive(rollout))
    await site
      .note(digest)
      .catch((error: unknown) =>
        deps.log.warning(`what serves does not name Deployment ${digest}: ${messageOf(error)}`),
      );
  return done;
}

/** What is asked for again is not read again: whatever was read once is there even when the store is not. */
function readOnce<T>(read: (digest: Digest) => Promise<T>): (digest: Digest) => Promise<T> {
  const known = new Map<Digest, T>();
  return async (digest) => {
    const found = known.get(digest) ?? (await read(digest));
    known.set(digest, found);
    return found;
  };
}
